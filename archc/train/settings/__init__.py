"""What a recipe may say: typed settings, how they are read, described and spelled. No torch."""
