"""Samples and targets: where they come from, and how they are brought to a network."""
