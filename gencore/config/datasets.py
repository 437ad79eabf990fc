"""What a model has to know of a data set, the published sets by name, and pairs derived from a set.

Where their files come from is in `gencore.data.registry`; sets of one's own are made by `gencore data add`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gencore.config.filters import FILTERS

MOST_CLASSES = 1000
LARGEST_SIZE, LARGEST_PAIRED_SIZE = 64, 256
_DIGITS = tuple("0123456789")
_NAMED = 20  # classes that a message names
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def checked_name(name: str) -> str:
    """The name itself. Raises ValueError for one that no data set can have, also for an unknown filter."""
    filter_id, colon, rest = name.rpartition(":")
    if ":" in filter_id:
        raise ValueError(
            f"{name} applies a filter to pairs, which have their sources already; use one filter, as in "
            f"{filter_id.rpartition(':')[2]}:{rest}"
        )
    if colon and filter_id not in FILTERS:
        raise ValueError(f"{name} names no filter; the filters are {', '.join(FILTERS)}, as in edges:mnist")
    if not _NAME.fullmatch(rest):
        shown = name if len(name) <= 40 else f"{name[:40]}…"
        raise ValueError(
            f"data set name {shown!r} is not allowed; use 1 to 40 small letters, digits or '-', starting "
            "with a letter or digit, and a filter and ':' before them for pairs (edges:mnist)"
        )
    return name


DatasetName = Annotated[str, AfterValidator(checked_name)]
"""A data set by name: a published one, one's own, or `FILTER:NAME`, the pairs that a filter makes of one."""


def original_name(name: DatasetName) -> DatasetName:
    """The data set that the pairs `FILTER:NAME` are made of; any other name is its own."""
    return name.rpartition(":")[2]


def in_file_names(name: DatasetName) -> str:
    """The name as a part of file and run names, which can have no ':'."""
    return name.replace(":", "-")


class DatasetSpec(BaseModel):
    """The form of the images of one data set, its classes, and how many images it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: DatasetName
    title: str
    channels: Literal[1, 3]
    source_channels: Literal[0, 1, 3] = Field(
        0,
        exclude_if=lambda channels: channels == 0,  # descriptions of images alone stay as they were
        description="Channels of the source image of each pair; 0 where images come alone.",
    )
    size: int = Field(ge=16, le=LARGEST_PAIRED_SIZE, multiple_of=4, description="Height and width in pixels.")
    class_names: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    is_labelled: bool = Field(
        True, description="Whether the classes were given; else they are clusters of the images, found here."
    )
    train_count: int = Field(ge=1)
    test_count: int = Field(ge=1)
    native_size: int | None = Field(
        None, description="Height and width before the images were enlarged; None where they were not."
    )
    digest: str = Field(
        "", description="SHA-256 of the stored images and labels of one's own set; empty for published ones."
    )

    @model_validator(mode="after")
    def _large_only_in_pairs(self) -> DatasetSpec:
        if self.size > LARGEST_SIZE and not self.is_paired:
            raise ValueError(
                f"size is {self.size}; images that come alone have at most {LARGEST_SIZE} pixels a side, and "
                f"pairs {LARGEST_PAIRED_SIZE}"
            )
        return self

    @property
    def is_paired(self) -> bool:
        """Whether each image is the target of a source image, for image-to-image translation."""
        return self.source_channels > 0

    @property
    def filter_id(self) -> str:
        """The filter that makes the sources; empty where pairs were given, or images come alone."""
        return self.name.rpartition(":")[0]

    @property
    def original(self) -> DatasetSpec:
        """The data set that a filter was applied to; this one where none was."""
        if not self.filter_id:
            return self
        return self.model_copy(
            update={
                "name": original_name(self.name),
                "title": self.title.removesuffix(_from(self.filter_id)),
                "source_channels": 0,
            }
        )

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def class_index(self, name: str) -> int:
        """The class of this name, or of this number. Raises ValueError that says what there is."""
        if name in self.class_names:
            return self.class_names.index(name)
        if name.isdecimal() and int(name) < self.classes:
            return int(name)
        alike = get_close_matches(name, self.class_names, n=1)
        more = f" and {self.classes - _NAMED} more" if self.classes > _NAMED else ""
        raise ValueError(
            f"{name} is no class of {self.title}; {f'perhaps {alike[0]}; ' if alike else ''}there are "
            f"{', '.join(self.class_names[:_NAMED])}{more}, or 0 to {self.classes - 1} by number"
        )

    @property
    def is_own(self) -> bool:
        """Whether somebody added it here; else it is a published one."""
        return bool(self.digest)

    @property
    def noun(self) -> str:
        """What one of the classes is called in a text."""
        if not self.is_labelled:
            return "cluster"
        return "digit" if set(self.class_names) <= set(_DIGITS) else "class"

    @property
    def morph(self) -> tuple[int, int]:
        """The two classes that every evaluated model is interpolated between: the digits 3 and 8, which share
        many strokes, where there are such classes, else the first two."""
        wanted = "3", "8"
        if set(wanted) <= set(self.class_names):
            return self.class_names.index(wanted[0]), self.class_names.index(wanted[1])
        return 0, 1


def _from(filter_id: str) -> str:
    return f" from {FILTERS[filter_id].source}"


def derived(filter_id: str, spec: DatasetSpec) -> DatasetSpec:
    """The pairs that a filter makes of a data set. Raises ValueError where the set does not suit it."""
    if spec.is_paired:
        raise ValueError(
            f"{spec.title} has pairs already; {filter_id}: is for data sets whose images come alone, so use "
            f"{spec.name}"
        )
    chosen = FILTERS[filter_id]
    if chosen.needs_colour and spec.channels == 1:
        raise ValueError(
            f"{spec.title} is grey already, so {filter_id}:{spec.name} would have nothing to learn; use a "
            f"colour data set, or another filter ({', '.join(one for one in FILTERS if one != filter_id)})"
        )
    return spec.model_copy(
        update={
            "name": f"{filter_id}:{spec.name}",
            "title": f"{spec.title}{_from(filter_id)}",
            "source_channels": chosen.source_channels or spec.channels,
        }
    )


_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_SYLLABLES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _grey(
    name: str, title: str, class_names: tuple[str, ...], train_count: int, test_count: int
) -> DatasetSpec:
    """A set of MNIST's form."""
    return DatasetSpec(
        name=name,
        title=title,
        channels=1,
        size=28,
        class_names=class_names,
        train_count=train_count,
        test_count=test_count,
    )


_SPECS = (
    _grey("mnist", "MNIST", _DIGITS, 60_000, 10_000),
    _grey("fashion-mnist", "Fashion-MNIST", _FASHION, 60_000, 10_000),
    _grey("kmnist", "KMNIST", _SYLLABLES, 60_000, 10_000),
    _grey("emnist-digits", "EMNIST digits", _DIGITS, 240_000, 40_000),
    DatasetSpec(
        name="cifar10",
        title="CIFAR-10",
        channels=3,
        size=32,
        class_names=_THINGS,
        train_count=50_000,
        test_count=10_000,
    ),
    _grey("digits", "scikit-learn digits", _DIGITS, 1_500, 297).model_copy(update={"native_size": 8}),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}
"""The published data sets by name."""


def published(name: DatasetName) -> DatasetSpec | None:
    """The published data set of that name, or the pairs that a filter makes of one; None for others.

    Raises ValueError for a filter that does not suit the set.
    """
    spec, filter_id = DATASETS.get(original_name(name)), name.rpartition(":")[0]
    return derived(filter_id, spec) if spec and filter_id else spec
