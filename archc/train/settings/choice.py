"""What all choices of a recipe share: their base, and the numbers that they take."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole: 0 or more, less than 1."""
Probability = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Side = Annotated[int, Field(ge=8, le=2048)]
"""Pixels along an edge of a square image."""
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]


class Choice(BaseModel):
    """Base of all choices. `name` is how it is spelled in a recipe."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    name: ClassVar[str]
