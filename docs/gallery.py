"""Writes docs/systems.md and its diagrams: one section per system of `specs/`.

python docs/gallery.py           # text and diagrams
python docs/gallery.py --text    # the text alone, on standard output
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from archc.analysis.cells import receptive, short
from archc.driver import Compilation, Compiled, compile_spec
from archc.emit import dot

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images" / "systems"


class System(NamedTuple):
    """A spec, what it is called, the network that is drawn, and what the field learned from it."""

    spec: str
    title: str
    drawn: str
    learned: str


SYSTEMS = (
    System("perceptron", "Neuron, perceptron, MLP", "MLP", "A hidden layer makes a universal approximator, but only if its activation is not linear; Rosenblatt trained the output weights alone, behind a frozen random layer."),
    System("kernels", "Kernels as networks", "Sobel", "An image filter is a network of one layer: the same few weights at every place, given by hand or learned from a pair of images."),
    System("fully_connected", "From fully connected to shared weights", "Convolutional", "A fully connected layer is a 1x1 convolution; looking locally and sharing weights is what takes the parameters away."),
    System("lenet5", "LeNet-5", "LeNet5", "Convolution, subsampling and a classifier, trained as one, read handwriting in production."),
    System("lenet5_1998", "LeNet-5 as published", "LeNet5Original", "A connection table breaks symmetry and saves weights; fixed codes at the output reject what is no character."),
    System("deepface", "Locally connected layers", "DeepFace", "Where every place has its own statistics (an aligned face), a kernel per place can be worth its weights."),
    System("alexnet", "AlexNet", "AlexNet", "Depth, ReLU, dropout, data and GPUs together beat a decade of hand-made features."),
    System("maxout", "Maxout", "MaxoutConvNet", "An activation may itself be learned: the maximum of several linear maps."),
    System("vgg", "VGG", "VGG16", "Stacks of 3x3 see as much as large kernels, with fewer weights and more nonlinearities: depth matters."),
    System("googlenet", "GoogLeNet", "GoogLeNet", "Arms of several kernel sizes behind 1x1 bottlenecks give depth and width at a tenth of the parameters; auxiliary heads carry gradients in training."),
    System("inception_v3", "Inception-v3", "InceptionV3", "Large kernels factorise: 5x5 into two 3x3, 7x7 into 1x7 and 7x1."),
    System("resnet", "ResNet", "ResNet50", "A unit that learns a difference to its input trains at any depth."),
    System("resnet_cifar", "Plain and residual nets for CIFAR-10", "ResNet20", "Plain nets get worse with depth even on their training data; the same nets with shortcuts do not."),
    System("densenet", "DenseNet", "DenseNet121", "Every layer may reuse all earlier ones: narrow layers, few parameters, short ways for gradients."),
    System("seresnet", "Squeeze and excitation", "SEResNet50", "A global pool that gates channels costs next to nothing and helps every backbone."),
    System("xception", "Xception", "Xception", "Space and channels can be convolved apart: depthwise, then pointwise."),
    System("mobilenet", "MobileNets", "MobileNetV2", "Depthwise separable convolutions and inverted residuals bring networks to phones."),
    System("shufflenet", "ShuffleNet", "ShuffleNetV2_100", "Groups save work; shuffling channels lets them hear each other again."),
    System("efficientnet", "EfficientNet", "EfficientNetB0", "Depth, width and resolution are best scaled together."),
    System("regnet", "RegNet", "RegNetX400MF", "Good networks follow simple rules: widths and depths that grow along a line."),
    System("convnext", "ConvNeXt", "ConvNeXtTiny", "A plain convolutional net with 7x7 depthwise kernels and layer norm keeps up with transformers."),
    System("sppnet", "Spatial pyramid pooling", "SPPNet50", "Pooling to fixed grids lets a classifier take images of any size."),
    System("dilated", "Dilated convolutions", "ContextModule", "The receptive field can grow exponentially at constant cost; equal rates in a row leave holes."),
    System("fcn8s", "Fully convolutional networks", "FCN8s", "A classifier whose linear layers are convolutions labels every pixel; skips bring back the detail."),
    System("segnet", "SegNet", "SegNet", "Remembering where the maxima were is a cheap way back to full resolution."),
    System("deconvnet", "DeconvNet", "DeconvNet", "The way back can be learned as deep as the way down."),
    System("unet", "U-Net", "UNet", "Joining each level of the way down with the way up makes precise masks from few images."),
    System("deeplab", "Atrous spatial pyramid", "DeepLabV3", "Parallel dilation rates see context at several scales at once."),
    System("hourglass", "Stacked hourglass", "Hg2", "Going down and up repeatedly, with a loss at each stack, refines poses."),
    System("simplebaseline", "Simple baseline", "SimpleBaseline50", "A backbone and three transposed convolutions suffice for keypoints."),
    System("hrnet", "HRNet", "HRNetW32", "High resolution can be kept all the way, beside lower ones that are fused again and again."),
    System("yolo", "YOLO", "YOLO", "Detection in one look: a grid of boxes and classes from one network."),
    System("mask_rcnn", "Feature pyramid and RoIAlign", "MaskRCNN", "One head for all levels of a pyramid, and regions read by interpolation instead of rounding."),
)  # fmt: skip


def main() -> int:
    """Write the page (and the diagrams, unless `--text`)."""
    text = page()
    if "--text" in sys.argv[1:]:
        sys.stdout.write(text)
        return 0
    IMAGES.mkdir(parents=True, exist_ok=True)
    for system in SYSTEMS:
        network = compiled(system)[system.drawn]
        svg = dot.render(dot.source(network.graph, network.report), "svg")
        (IMAGES / f"{system.spec}.svg").write_bytes(svg)
    (ROOT / "docs" / "systems.md").write_text(text, encoding="utf-8")
    return 0


def compiled(system: System) -> Compilation:
    """The spec, which must be right."""
    state = compile_spec(str(ROOT / "specs" / f"{system.spec}.arch"))
    if state.failed:
        raise SystemExit(f"{system.spec}: {[d.message for d in state.diagnostics]}")
    return state


def page() -> str:
    """The whole page."""
    parts = [
        "# Systems",
        "Every network of `specs/`, with the figures that archc computes and its claims hold. "
        "MACs are per image, receptive fields size / stride at the last layer that does not see "
        "everything. This page is generated by `make gallery`.",
        "\n".join(f"- [{s.title}](#{anchor(s.title)})" for s in SYSTEMS),
    ]
    for system in SYSTEMS:
        parts += section(system)
    return "\n\n".join(parts) + "\n"


def anchor(title: str) -> str:
    """The fragment that a heading gets."""
    kept = "".join(ch for ch in title.lower() if ch.isalnum() or ch in " -")
    return kept.replace(" ", "-")


def section(system: System) -> list[str]:
    """Heading, sentence, figures, diagram and spec of one system."""
    state = compiled(system)
    rows = [figures(network) for network in state.networks]
    claims = sum(len(network.claims) for network in state.networks)
    head = "| network | input | params | MACs | depth | receptive field |\n|---|---|---:|---:|---:|---:|"
    source = (ROOT / "specs" / f"{system.spec}.arch").read_text(encoding="utf-8").rstrip()
    return [
        f"## {system.title}",
        system.learned,
        "\n".join([head, *rows]),
        f"[specs/{system.spec}.arch](../specs/{system.spec}.arch)"
        + (f": {claims} claims, all hold." if claims else "."),
        f"![{system.drawn}](images/systems/{system.spec}.svg)",
        f"<details><summary>The spec</summary>\n\n```text\n{source}\n```\n\n</details>",
    ]


def figures(network: Compiled) -> str:
    """One row of the table."""
    report = network.report
    assert report is not None
    size = "x".join(str(int(n)) for n in report.inputs[0][1])
    local = report.local_field
    seen = receptive(local[1]) if local else ""
    params = f"{report.params:,}" + (f" + {report.frozen:,} frozen" if report.frozen else "")
    cells = [network.name, size, params, short(report.macs), str(report.depth), seen]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
