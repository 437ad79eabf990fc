"""How pictures become images of one size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gencore.config.datasets import LARGEST_PAIRED_SIZE, LARGEST_SIZE
from gencore.config.sections import Config

SIDES = ("left-to-right", "right-to-left")
"""Where the source lies, and where the target, in a picture that holds both."""


class ImportOptions(Config):
    """How pictures become images of one size, and how many are held out for testing."""

    size: int = Field(
        28,
        ge=16,
        le=LARGEST_PAIRED_SIZE,
        multiple_of=4,
        description="Height and width of the images, in pixels.",
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
    pairs: tuple[str, ...] = Field(
        (),
        exclude_if=lambda pairs: not pairs,  # options of images that come alone stay as they were
        description="Folders of the sources and of the targets, whose files are paired by name; or "
        "`left-to-right` or `right-to-left` for pictures that hold the source and the target side by side.",
    )

    @model_validator(mode="after")
    def _suit_pairs(self) -> ImportOptions:
        if self.size > LARGEST_SIZE and not self.pairs:
            raise ValueError(
                f"size is {self.size}; images that come alone have at most {LARGEST_SIZE} pixels a side, and "
                f"pairs {LARGEST_PAIRED_SIZE}"
            )
        if len(self.pairs) == 1 and self.pairs[0] not in SIDES or len(self.pairs) > 2:
            raise ValueError(
                f"pairs is {' '.join(self.pairs)}; give the folder names of the sources and of the targets, "
                f"or {' or '.join(SIDES)} for pictures that hold both"
            )
        if len(self.pairs) == 2 and (len(set(self.pairs)) == 1 or any("/" in one for one in self.pairs)):
            raise ValueError(
                f"pairs is {' '.join(self.pairs)}; give two different folder names, without a path"
            )
        return self
