"""Names as people sort them and as a report can hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gencore.data.importing.limits import MOST_NAMED

_DIGITS = re.compile(r"([0-9]+)")
NaturalKey = tuple[tuple[str | tuple[int, str], ...], str]


def natural_key(name: str) -> NaturalKey:
    """A sort key that puts `img2` before `img10`."""
    parts = _DIGITS.split(name)  # text and digits take turns
    numbers = [part.lstrip("0") for part in parts]
    key = ((len(numbers[i]), numbers[i]) if i % 2 else parts[i].lower() for i in range(len(parts)))
    return tuple(key), name


def printable(name: str) -> str:
    """`name` with escapes for line breaks, control characters and bytes that are no UTF-8."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def listed(names: Sequence[str]) -> str:
    """The first of `names` in a sentence, and the number of the others."""
    shown = ", ".join(map(printable, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def count(n: int, one: str, many: str | None = None) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
