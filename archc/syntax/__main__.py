"""`python -m archc.syntax` makes the stored tables again after a change of the grammar."""

from .tables import store

store()
