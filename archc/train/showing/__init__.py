"""A run as its reader sees it: progress, curves, pictures."""
