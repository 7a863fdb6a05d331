"""`python -m archc` is `archc`."""

import sys

from .cli import main

sys.exit(main())
