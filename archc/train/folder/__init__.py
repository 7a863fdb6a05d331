"""A run's folder: what is written there, and what a run goes on from."""
