"""Annotated graph to text: a PyTorch module, a diagram, a report, an ONNX file."""
