"""`python -m archc.train SPEC ...`: `archc train`, in the form that `torchrun` starts."""

from __future__ import annotations

import sys

from ..cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
