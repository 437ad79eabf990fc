"""Which split and which class a picture belongs to, by the folders it lies in or by a file of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gencore.data.importing.entries import Entry
from gencore.data.importing.label_files import LabelFile, labels_of_files
from gencore.data.importing.names import count, listed, natural_key
from gencore.data.importing.parts import Parts
from gencore.data.importing.pile import Item, Part

_Folders = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Pictures with what their places say, in the order of their names."""

    pictures: tuple[tuple[Entry, Item], ...]
    gives_split: bool
    notes: tuple[str, ...]


def layout_of(entries: Sequence[Entry], labels: LabelFile | None, source: Path) -> Layout:
    """Reads the folders that pictures lie in, after those that all share.

    `train/` and `test/` give the split. The next folder is the class; deeper ones say nothing. With `labels`,
    the classes come from there. Raises DataError where `labels` does not fit.
    """
    entries = sorted(entries, key=lambda entry: natural_key(entry.name))
    folders = _without_shared([entry.path.parts[:-1] for entry in entries])
    parts = Parts(path[0] for path in folders if path)
    places = [_split_and_rest(path, parts) for path in folders]
    outside = [
        entry.name for entry, (part, _) in zip(entries, places, strict=True) if parts.given and not part
    ]
    notes = [*parts.notes]
    if outside:
        notes.append(_left_out(outside, "lay in neither the training nor the test folder"))
    inside = [
        (entry, *place) for entry, place in zip(entries, places, strict=True) if place[0] or not parts.given
    ]
    classes = _without_shared([rest for _, _, rest in inside])
    if labels is not None:
        by_name, more = labels_of_files(labels, [entry.name for entry in entries], source)
        notes += more
        found = [by_name.get(entry.name) for entry, _, _ in inside]
    else:
        found = [path[0] if path else None for path in classes]
        if len({*found} - {None}) < 2:
            found = [None] * len(found)
    is_labelled = labels is not None or any(found)
    without = [entry.name for (entry, _, _), label in zip(inside, found, strict=True) if label is None]
    if is_labelled and without:
        notes.append(_left_out(without, "had no label" if labels else "lay outside the class folders"))
    pictures = tuple(
        (entry, Item(entry.name, label, part))
        for (entry, part, _), label in zip(inside, found, strict=True)
        if label is not None or not is_labelled
    )
    return Layout(pictures, parts.given, tuple(notes))


def _split_and_rest(path: _Folders, parts: Parts) -> tuple[Part | None, _Folders]:
    """The split that the first folder names, and the folders below it and its repetitions (`train/train`)."""
    part = parts.of(path[0]) if path else None
    while part and path and parts.of(path[0]) == part:
        path = path[1:]
    return part, path


def _without_shared(paths: Sequence[_Folders]) -> list[_Folders]:
    """The paths without the folders that all of them begin with."""
    shared = 0
    while all(len(path) > shared for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    return [path[shared:] for path in paths]


def _left_out(names: Sequence[str], why: str) -> str:
    return f"{count(len(names), 'picture')} that {why}, left out: {listed(names)}."
