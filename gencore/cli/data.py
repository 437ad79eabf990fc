"""Commands for data sets of one's own: add, list, show, remove."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from gencore.cli.common import DONE, say
from gencore.config.datasets import DatasetName, DatasetSpec
from gencore.data import own
from gencore.data.importing.options import ImportOptions
from gencore.data.own import OwnDataset
from gencore.data.registry import availability, data_folder, find, known
from gencore.store.files import UnreadableError

_DEFAULTS = ImportOptions()


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where the data sets lie."""

    data_dir: Path | None = None
    """Folder of the data sets [$GENCORE_DATA, else data/]."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print as JSON."""

    @property
    def folder(self) -> Path:
        """The folder of the data sets."""
        return self.data_dir or data_folder()


@dataclass(frozen=True, kw_only=True)
class Add(DataOptions):
    """Read pictures of any origin and store them as a data set of your own.

    PATH is a folder, a ZIP or a TAR of pictures (with a folder for each class, or none), of IDX files or of
    NPZ files. Folders named train and test give the split, else the content of each image decides; images of
    a folder val are for testing where there is no test, else for training.

    With --pairs, each image is the target of a source image, for image-to-image translation.
    """

    path: Positional[Path]
    name: DatasetName
    """What --dataset calls it: small letters, digits and '-'."""
    title: str = ""
    """What pages call it [the name]."""
    labels: Path | None = None
    """CSV of file and label, or one label an image in the order of file names."""
    size: int = _DEFAULTS.size
    """Height and width of the images: 16 to 64, of pairs to 256, a multiple of 4."""
    pairs: tuple[str, ...] = ()
    """SOURCE TARGET: names of two folders, whose files are paired by name, without the ending (a/train/1.png
    and b/train/1.jpg, or train/a/1.png and train/b/1.jpg). Or left-to-right: each picture holds the source
    on the left and the target on the right; right-to-left: the other way round."""
    grey: bool = False
    """Make all images grey [only where every picture is]."""
    colour: bool = False
    """Make all images coloured."""
    fit: Literal["crop", "pad"] = _DEFAULTS.fit
    """Pictures that are not square: cut to the middle, or padded."""
    holdout: float = _DEFAULTS.holdout
    """Share of test images where the pictures come without a split."""
    overwrite: bool = False
    """Replace the data set of that name; runs of the former one can then no longer be resumed or measured."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if self.grey and self.colour:
            raise ValueError("--grey and --colour contradict each other; give one of them, or none")
        from gencore.data.adding import add, refuse
        from gencore.data.importing.reading import read

        refuse(self.name)
        if self.name in known(self.folder) and not self.overwrite:
            raise ValueError(f"there is a data set {self.name}; use --overwrite or another --name")
        channels = 1 if self.grey else 3 if self.colour else None
        options = ImportOptions(
            size=self.size, channels=channels, fit=self.fit, holdout=self.holdout, pairs=self.pairs
        )
        imported = read(self.path, options, self.labels, say)
        source = self.path.resolve().name
        added = add(imported, self.name, source, options, self.folder, self.title)
        _show(added, self.as_json)
        if not self.as_json:
            print(f"stored; {_what_next(added.spec)}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class List(DataOptions):
    """List all data sets: the published ones and your own."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        broken = {
            name: str(one)
            for name, one in own.listed(self.folder).items()
            if isinstance(one, UnreadableError)
        }
        rows = [
            spec.model_dump(mode="json") | {"availability": availability(name, self.folder)}
            for name, spec in known(self.folder).items()
        ]
        if self.as_json:
            print(json.dumps({"datasets": rows, "unreadable": broken}, indent=1))
            return DONE
        for name, spec in known(self.folder).items():
            kind = f"{spec.classes} {'classes' if spec.is_labelled else 'clusters, no labels'}"
            form = f"{spec.size}x{spec.size} {_colours(spec)}"
            counts = f"{spec.train_count:>8,} + {spec.test_count:,} images"
            print(f"{name:20} {availability(name, self.folder):20} {counts}, {form}, {kind}")
        for name, reason in broken.items():
            print(f"{name:20} unreadable: {reason}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Show(DataOptions):
    """Show what a data set holds, and what became of the files that it was made of."""

    name: Positional[DatasetName]

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        found = own.listed(self.folder).get(self.name)
        if isinstance(found, OwnDataset):
            _show(found, self.as_json)
        else:
            print(find(self.name, self.folder).model_dump_json(indent=1))
        return DONE


@dataclass(frozen=True, kw_only=True)
class Remove(DataOptions):
    """Delete a data set of your own; the pictures that it was made of and runs on it stay."""

    name: Positional[DatasetName]

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        own.remove(self.name, self.folder)
        print(f"removed {self.name}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Data:
    """Add, list, show and remove data sets of your own."""

    action: (
        Annotated[Add, tyro.conf.subcommand("add")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Remove, tyro.conf.subcommand("remove")]
    )

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        return self.action()


def _what_next(spec: DatasetSpec) -> str:
    if spec.is_paired:
        return f"--dataset {spec.name} names it"
    return f"`gencore compare --dataset {spec.name} --quick` trains and measures models on it"


def _colours(spec: DatasetSpec) -> str:
    """`colour`, or `grey to colour` of pairs."""
    sides = (spec.source_channels, spec.channels) if spec.is_paired else (spec.channels,)
    return " to ".join("grey" if channels == 1 else "colour" for channels in sides)


def _show(found: OwnDataset, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    spec, report = found.spec, found.report
    print(
        f"{spec.title}: {report.source}, {report.files:,} files; {spec.train_count:,} training and "
        f"{spec.test_count:,} test {'pairs' if spec.is_paired else 'images'}, {spec.size}x{spec.size} "
        f"{_colours(spec)}"
    )
    sizes = ", ".join(f"{one.width}x{one.height} ({one.count:,})" for one in report.sizes)
    more = f" and {report.more_sizes:,} more" if report.more_sizes else ""
    print(f"sizes found: {sizes}{more}; {report.grey:,} grey, {report.colour:,} coloured")
    if spec.is_labelled:
        counts = ", ".join(f"{one.name} {one.train:,} + {one.test:,}" for one in report.classes)
        print(f"{spec.classes} classes, training + test: {counts}")
    else:
        print(f"no labels; {spec.classes} clusters of the images stand in for classes")
    for one in report.unreadable:
        print(f"not readable: {one.name}: {one.reason}")
    if report.more_unreadable:
        print(f"not readable: {report.more_unreadable:,} more")
    for one in report.unpaired:
        print(f"left out: {one.name}: {one.reason}")
    if report.more_unpaired:
        print(f"left out: {report.more_unpaired:,} more that make no pair")
    for repeated in report.duplicates:
        print(f"left out: {repeated.name} has the pixels of {repeated.repeats}")
    if report.more_duplicates:
        print(f"left out: {report.more_duplicates:,} more duplicates")
    for note in report.notes:
        print(note)
