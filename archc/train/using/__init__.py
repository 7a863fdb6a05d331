"""Trained networks, used: measured again, asked, exported, put to images."""
