"""The images found so far, with their names, labels and split, and what else the report says of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from gencore.data.arrays import MOST_BYTES, MOST_IMAGES
from gencore.data.importing.names import printable
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.pictures import to_square
from gencore.data.importing.report import Unreadable
from gencore.data.verification import DataError

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Item:
    """What is known of an image but its pixels; None where the source does not say."""

    name: str
    label: str | None
    part: Part | None


class Pile:
    """Images of one size. Grey ones take a third of the memory until the first with colour is finished."""

    def __init__(self, options: ImportOptions, sharing: int = 1) -> None:
        self.options = options
        self.most_bytes = MOST_BYTES // sharing  # `sharing` piles share what one may take
        self.items: list[Item] = []
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.unreadable: list[Unreadable] = []
        self.unpaired: list[Unreadable] = []
        self.notes: list[str] = []
        self.has_part = False
        """Whether the source gives the split."""
        self.coloured = 0
        self._images: list[np.ndarray] = []

    def add(self, item: Item, image: Image.Image) -> None:
        """Takes a picture of mode L or RGB. Raises DataError for too many."""
        size = self.options.size
        if self.options.channels is None:
            channels = 3 if self.coloured else 1
        else:
            channels = self.options.channels
        if len(self.items) >= MOST_IMAGES or (len(self.items) + 1) * channels * size**2 > self.most_bytes:
            raise DataError(
                f"{printable(item.name)} is one image too many; at most {MOST_IMAGES:,} of together "
                f"{self.most_bytes:,} bytes are read, so take fewer or smaller ones"
            )
        pixels = to_square(image, size, self.options.fit)
        self.coloured += pixels.ndim == 3
        if pixels.ndim == 3 and self.options.channels == 1:
            pixels = np.array(Image.fromarray(pixels).convert("L"))
        self.sizes[image.size] += 1
        self.items.append(item)
        self._images.append(pixels)

    @property
    def grey(self) -> int:
        """How many of the images have no colour."""
        return len(self.items) - self.coloured

    def leave_unpaired(self, name: str, reason: str) -> None:
        """Notes a picture that makes no pair."""
        self.unpaired.append(Unreadable(name=printable(name), reason=printable(reason)))

    def leave_out(self, name: str, reason: str) -> None:
        """Notes a picture that cannot be read."""
        self.unreadable.append(Unreadable(name=printable(name), reason=printable(reason)))

    def pixels(self) -> np.ndarray:
        """All images, uint8 (N, C, S, S); the pile no longer holds them. Raises DataError for too many."""
        n, size = len(self._images), self.options.size
        channels = self.options.channels or (3 if self.coloured else 1)
        if n * channels * size**2 > self.most_bytes:
            raise DataError(
                f"{n:,} colour images of {size} x {size} pixels have more than {self.most_bytes:,} bytes; "
                "take fewer, or --grey"
            )
        together = np.empty((n, channels, size, size), np.uint8)
        for i in range(n):
            pixels = self._images[i]
            together[i] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        self._images = []
        return together
