"""archc: a compiler and analyzer for convolutional network architectures."""

__version__ = "0.1.0"
