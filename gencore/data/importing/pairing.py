"""Pairs of pictures: which file is whose partner, and what becomes of files that have none.

Two folders hold the sources and the targets under the same file names, or each picture holds both side by
side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from PIL import Image

from gencore.data.importing.entries import Entry
from gencore.data.importing.layout import layout_of
from gencore.data.importing.names import count, listed, natural_key, printable
from gencore.data.importing.pictures import UnreadableError, read_picture
from gencore.data.importing.pile import Item, Pile
from gencore.data.verification import DataError

_PAIRS_BETWEEN_MESSAGES = 2_000


@dataclass(frozen=True)
class _Files:
    """The files of one pair; the same one twice where it holds both sides."""

    source: Entry
    target: Entry


def add_pairs(
    pictures: Sequence[Entry], sources: Pile, targets: Pile, root: Path, say: Callable[[str], None]
) -> str:
    """Adds both sides of each pair to their piles, at the same index; what the pairs are, in words.

    Pictures without a partner, of another size than it or that cannot be read are left out, by name. Raises
    DataError where no pair remains.
    """
    order = targets.options.pairs
    pairs = _by_folders(pictures, order, targets) if len(order) == 2 else _side_by_side(pictures)
    layout = layout_of([replace(one.target, name=name) for name, one in pairs.items()], None, root)
    targets.has_part = layout.gives_split
    targets.notes += layout.notes
    for number, (entry, item) in enumerate(layout.pictures, 1):
        _add(pairs[entry.name], item, sources, targets)
        if number % _PAIRS_BETWEEN_MESSAGES == 0:
            say(f"read {number:,} of {count(len(layout.pictures), 'pair')}")
    if not targets.items:
        faults = [*targets.unreadable, *targets.unpaired]
        named = "; ".join(f"{one.name}: {one.reason}" for one in faults[:3])
        raise DataError(f"{root} leaves no pair of {count(len(pictures), 'picture')}; {named}")
    targets.notes.append(f"Sources: {sources.grey:,} grey, {sources.coloured:,} coloured.")
    if len(order) == 2:
        sides = f"{printable(order[0])} (sources) and {printable(order[1])} (targets)"
        return f"pairs of pictures in folders {sides}"
    return f"pictures with both sides of a pair, {order[0]}"


def _side_by_side(pictures: Sequence[Entry]) -> dict[str, _Files]:
    return {entry.name: _Files(entry, entry) for entry in pictures}


def _by_folders(pictures: Sequence[Entry], folders: tuple[str, ...], pile: Pile) -> dict[str, _Files]:
    """Pairs by their path without the side's folder and without the file's ending. Raises DataError."""
    sides: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
    outside = []
    for entry in sorted(pictures, key=lambda entry: natural_key(entry.name)):
        parts = entry.path.parts
        places = [place for place, part in enumerate(parts[:-1]) if part in folders]
        if not places:
            outside.append(entry.name)
            continue
        side = sides[folders.index(parts[places[0]])]
        rest = PurePosixPath(*parts[: places[0]], *parts[places[0] + 1 :]).with_suffix("")
        other = side.setdefault(str(rest), entry)
        if other is not entry:
            pile.leave_unpaired(entry.name, f"{printable(other.name)} has the same name and was taken")
    for folder, side in zip(folders, sides, strict=True):
        if not side:
            inside = sorted({part for entry in pictures for part in entry.path.parts[:-1]}, key=natural_key)
            raise DataError(
                f"no picture lies in a folder named {printable(folder)}; the folders are "
                f"{listed(inside) or 'none'}: give --pairs the names of the sources' and the targets'"
            )
    if outside:
        pile.notes.append(
            f"{count(len(outside), 'picture')} in neither {printable(folders[0])} nor "
            f"{printable(folders[1])}, left out: {listed(outside)}."
        )
    for name, alone, missing in _without_partner(sides, folders):
        pile.leave_unpaired(alone.name, f"it has no partner {printable(name)} in {printable(missing)}")
    return {name: _Files(sides[0][name], sides[1][name]) for name in sides[0] if name in sides[1]}


def _without_partner(
    sides: tuple[dict[str, Entry], dict[str, Entry]], folders: tuple[str, ...]
) -> Iterator[tuple[str, Entry, str]]:
    for side, others, folder in ((sides[0], sides[1], folders[1]), (sides[1], sides[0], folders[0])):
        yield from ((name, entry, folder) for name, entry in side.items() if name not in others)


def _add(files: _Files, item: Item, sources: Pile, targets: Pile) -> None:
    """Reads one pair and adds it, or notes why it is left out."""
    read = []
    for entry in dict.fromkeys((files.source, files.target)):
        try:
            read.append(read_picture(entry).image)
        except UnreadableError as error:
            targets.leave_out(entry.name, str(error))
    if len(read) < len({files.source, files.target}):
        return
    if len(read) == 1:
        width, height = read[0].size
        if width % 2:
            targets.leave_unpaired(
                item.name, f"it is {width:,} x {height:,}; two pictures side by side have an even width"
            )
            return
        halves = _halves(read[0])
        read = halves if targets.options.pairs == ("left-to-right",) else halves[::-1]
    source, target = read
    if source.size != target.size:
        targets.leave_unpaired(
            files.target.name,
            f"it is {_size(target)}, its partner {printable(files.source.name)} is {_size(source)}",
        )
        return
    sources.add(replace(item, name=files.source.name), source)
    targets.add(replace(item, name=files.target.name), target)


def _halves(image: Image.Image) -> list[Image.Image]:
    width, height = image.size
    return [image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))]


def _size(image: Image.Image) -> str:
    return f"{image.width:,} x {image.height:,}"
