"""What has no form in .arch."""


class Unwritable(ValueError):
    """A graph that the language has no words for; str() says which part."""
