"""How often a network halves its images: one rule for all networks that have resolutions."""

from __future__ import annotations

LEAST_SIDE, MOST_SIDE = 16, 64


def halvings(size: int) -> int:
    """The halvings from images of side `size` to the coarsest resolution: 2, or 3 for large sides.

    Three are for sides above 32 that are multiples of 8 (48 -> 6, 64 -> 8); two are for all others (28 -> 7,
    32 -> 8, 44 -> 11). Raises ValueError where `size` is out of range or no multiple of 4."""
    if size % 4 or not LEAST_SIDE <= size <= MOST_SIDE:
        raise ValueError(
            f"image size is {size}; the networks halve it two or three times, so use a multiple of 4 from "
            f"{LEAST_SIDE} to {MOST_SIDE}, such as 28 or 32"
        )
    return 3 if size > 32 and size % 8 == 0 else 2


def coarsest(size: int) -> int:
    """The side of the coarsest resolution, 4 to 15, of images of side `size`. Raises as `halvings`."""
    return size >> halvings(size)
