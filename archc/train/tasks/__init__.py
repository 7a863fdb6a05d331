"""What is minimised and what is measured, by the kind of target."""
