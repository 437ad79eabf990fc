"""Training and test images by the words in the names of folders, files and arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gencore.data.importing.pile import Part

_SPELLINGS = {
    "train": {"train", "training"},
    "test": {"test", "testing", "t10k"},
    "validation": {"val", "valid", "validation"},
}


class Parts:
    """The split that names give. Validation images test where there are no others; else they train."""

    def __init__(self, names: Iterable[str]) -> None:
        found = {_word(name) for name in names}
        self._has_test = "test" in found
        self.given = "train" in found and bool(found & {"test", "validation"})
        """Whether there are training images and others."""
        self.notes: list[str] = []
        if self.given and "validation" in found:
            self.notes.append(
                "Validation images count as training images, since there are test images."
                if self._has_test
                else "Validation images count as test images, since there are no others."
            )

    def of(self, name: str) -> Part | None:
        """The split that a name stands for; None where it says nothing, or where names give no split."""
        word = _word(name) if self.given else None
        if word == "validation":
            return "train" if self._has_test else "test"
        return "train" if word == "train" else "test" if word == "test" else None


def says_part(name: str) -> bool:
    """Whether a name stands for training, test or validation images."""
    return _word(name) is not None


def _word(name: str) -> str | None:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    found = [word for word, spellings in _SPELLINGS.items() if words & spellings]
    return found[0] if len(found) == 1 else None
