"""What a transform cannot do."""


class TransformError(ValueError):
    """The network cannot be transformed so that it computes the same; str() says where and why."""
