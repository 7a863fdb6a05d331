"""What archc makes of chosen networks, as text: the golden files of `specs/golden/`.

`python -m tests.support.golden` prints a digest of all of them, to compare hash seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from archc.cli.tables import table
from archc.driver import Options, compile_spec
from archc.emit import dot
from archc.emit.pytorch import source

CHOSEN = (
    ("lenet5", "LeNet5"),
    ("resnet", "ResNet18"),
    ("resnet", "ResNet50"),
    ("googlenet", "GoogLeNet"),
    ("unet", "UNet"),
    ("hrnet", "HRNetW32"),
    ("densenet", "DenseNet121"),
    ("hourglass", "Hg2"),
    ("segnet", "SegNet"),
    ("fcn8s", "FCN8s"),
)
"""Spec and network."""

WITH_GRAPH = {"LeNet5", "UNet"}
"""Those whose graph is small enough to be read."""


def texts(spec: str, name: str) -> dict[str, str]:
    """File name -> text. To be run in the project's root: paths in it are relative to that."""
    state = compile_spec(f"specs/{spec}.arch", Options(network=name))
    network = state[name]
    report = network.report
    assert report is not None
    found = {
        "model.py": source(network.graph, report, network.doc),
        "report.txt": table(report, color=False, width=100, claims=network.claims).rstrip() + "\n",
        "diagram.dot": dot.source(network.graph, report).rstrip() + "\n",
    }
    if name in WITH_GRAPH:
        found["graph.json"] = network.graph.model_dump_json(indent=1) + "\n"
    return found


def every() -> Iterator[tuple[str, str, str]]:
    """(network, file name, text) of all."""
    for spec, name in CHOSEN:
        for file, text in texts(spec, name).items():
            yield name, file, text


if __name__ == "__main__":
    digest = hashlib.sha256()
    for part in every():
        digest.update("\0".join(part).encode())
    print(digest.hexdigest())
