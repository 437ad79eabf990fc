"""How pictures become images of one size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gencore.config.sections import Config


class ImportOptions(Config):
    """How pictures become images of one size, and how many are held out for testing."""

    size: int = Field(
        28, ge=16, le=64, multiple_of=4, description="Height and width of the images, in pixels."
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1: grey, 3: colour. Without it: grey if every picture is grey, else colour."
    )
    fit: Literal["crop", "pad"] = Field(
        "crop",
        description="Pictures that are not square: cut to the square in the middle, or padded to a square "
        "with the median colour of their border.",
    )
    holdout: float = Field(
        0.15, ge=0.01, le=0.5, description="Share of test images where the source has no split of its own."
    )
