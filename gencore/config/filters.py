"""Filters that make the source of each pair from an image: `edges:mnist` is MNIST, each image with its edges.

What they compute is in `gencore.data.filters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Filter:
    """A way to make source images from the images of a data set."""

    id: str
    """What stands before the `:` in the name of a data set."""
    source: str
    """What the source images are, in the plural."""
    description: str
    source_channels: Literal[1, 3] | None
    """Channels of the sources; None: as many as the images have."""
    needs_colour: bool = False


_ROWS = (
    Filter(
        id="edges",
        source="edges",
        description="White lines of one pixel where Canny's method finds edges in the luminance.",
        source_channels=1,
    ),
    Filter(
        id="blur",
        source="blurred images",
        description="The image smoothed by a Gaussian whose standard deviation is a sixteenth of the side: "
        "1.75 pixels at 28, 16 at 256.",
        source_channels=None,
    ),
    Filter(
        id="grey",
        source="grey images",
        description="The luminance of a colour image.",
        source_channels=1,
        needs_colour=True,
    ),
    Filter(
        id="masked",
        source="masked images",
        description="The image with its middle, half as high and half as wide, set to mid-grey (128 of 255).",
        source_channels=None,
    ),
)

FILTERS: dict[str, Filter] = {row.id: row for row in _ROWS}
"""The filters by what stands before the `:`."""
