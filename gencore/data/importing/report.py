"""What an import gives: arrays, and a report of what was found, left out and refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from gencore.config.sections import Config

if TYPE_CHECKING:  # a report is read without arrays
    import numpy as np


class SizeCount(Config):
    """How many of the images found had this size."""

    width: int
    height: int
    count: int


class ClassCount(Config):
    """How many images of a class were taken."""

    name: str
    train: int
    test: int


class Unreadable(Config):
    """A picture that could not be read, or that makes no pair."""

    name: str
    reason: str


class Duplicate(Config):
    """An image that was left out, since it has the pixels of another one."""

    name: str
    repeats: str


class ImportReport(Config):
    """What was found in the source and what became of it. Long lists are cut; `more_…` is what they lack."""

    source: str
    """The kind of source, as in `ZIP archive of pictures in class folders`."""
    files: int
    """Files in the source, without hidden ones."""
    images: int
    """Images that were found and can be read, duplicates included."""
    train: int
    test: int
    sizes: tuple[SizeCount, ...]
    """Of the images found, the most frequent first."""
    more_sizes: int
    grey: int
    """Images found that have no colour, whatever their file could hold."""
    colour: int
    classes: tuple[ClassCount, ...]
    unreadable: tuple[Unreadable, ...]
    more_unreadable: int
    unpaired: tuple[Unreadable, ...] = Field((), exclude_if=lambda found: not found)
    """Pictures without a partner, or of another size than it."""
    more_unpaired: int = Field(0, exclude_if=lambda more: not more)
    duplicates: tuple[Duplicate, ...]
    more_duplicates: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Imported:
    """Images of one size, split into training and test images; no image stands in both."""

    images: np.ndarray
    """uint8 (N, C, S, S)"""
    labels: np.ndarray
    """int64 (N,), indices into `class_names`; all 0 where the images have no labels."""
    class_names: tuple[str, ...]
    """In natural order (2 before 10); empty where the images have no labels."""
    is_test: np.ndarray
    """bool (N,)"""
    report: ImportReport
    sources: np.ndarray | None = None
    """uint8 (N, source channels, S, S): what each image is to be made from; None where images come alone"""
