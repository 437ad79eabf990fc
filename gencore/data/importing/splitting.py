"""Which images are kept and which of them are for testing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from gencore.data.importing.limits import MOST_CLASSES, MOST_LISTED
from gencore.data.importing.names import count, listed, natural_key, printable
from gencore.data.importing.pile import Item, Pile
from gencore.data.importing.report import ClassCount, Duplicate, Imported, ImportReport, SizeCount
from gencore.data.verification import DataError


def assemble(pile: Pile, source: str, files: int, name: object, sources: Pile | None = None) -> Imported:
    """The data set of all images in `pile`, each kept once. `name` is for messages.

    With `sources`, which has the source image of each, each pair is kept once.

    Where the source gives no split, an image is for testing if the SHA-256 of its pixels, read as a fraction
    of 1, is below `holdout`: so the split of an image stays the same when others are added, and pairs of one
    target are in one split. Raises DataError
    where no images remain for training or for testing.
    """
    items, options = pile.items, pile.options
    if (classes := len({item.label for item in items} - {None})) > MOST_CLASSES:
        raise DataError(f"{name} has {classes:,} classes; at most {MOST_CLASSES:,} are read")
    order = sorted(range(len(items)), key=lambda i: (items[i].part == "test", natural_key(items[i].name)))
    pixels = pile.pixels()
    digests = [hashlib.sha256(image.data).digest() for image in pixels]
    paired = None if sources is None else sources.pixels()
    contents = digests if paired is None else [_of_pair(*both) for both in zip(digests, paired, strict=True)]
    unique, duplicates = _without_repetitions(order, contents, items, pile.notes)
    is_test = np.array(
        [
            items[i].part == "test" if pile.has_part else _fraction(digests[i]) < options.holdout
            for i in unique
        ],
        bool,
    )
    kept, is_test = _without_untrained_classes(np.array(unique, np.int64), is_test, items, pile.notes)
    class_names, labels = _classes(kept, items, pile.notes)
    _refuse_empty(is_test, pile, name)
    report = ImportReport(
        source=source,
        files=files,
        images=len(items),
        train=int((~is_test).sum()),
        test=int(is_test.sum()),
        sizes=tuple(
            SizeCount(width=w, height=h, count=n) for (w, h), n in pile.sizes.most_common(MOST_LISTED)
        ),
        more_sizes=max(0, len(pile.sizes) - MOST_LISTED),
        grey=pile.grey,
        colour=pile.coloured,
        classes=_counts(class_names, labels, is_test, pile.notes),
        unreadable=tuple(pile.unreadable[:MOST_LISTED]),
        more_unreadable=max(0, len(pile.unreadable) - MOST_LISTED),
        unpaired=tuple(pile.unpaired[:MOST_LISTED]),
        more_unpaired=max(0, len(pile.unpaired) - MOST_LISTED),
        duplicates=tuple(duplicates[:MOST_LISTED]),
        more_duplicates=max(0, len(duplicates) - MOST_LISTED),
        notes=tuple(pile.notes),
    )
    names = tuple(map(printable, class_names))
    return Imported(pixels[kept], labels, names, is_test, report, None if paired is None else paired[kept])


def _of_pair(target: bytes, source: np.ndarray) -> bytes:
    return hashlib.sha256(target + source.data).digest()


def _fraction(digest: bytes) -> float:
    return int.from_bytes(digest[:8], "big") / 2**64


def _without_repetitions(
    order: Sequence[int], digests: Sequence[bytes], items: Sequence[Item], notes: list[str]
) -> tuple[list[int], list[Duplicate]]:
    """The first image of each content in `order`. Those of a given training split come first in `order`."""
    first: dict[bytes, int] = {}
    duplicates, contradicted, in_both = [], [], 0
    for i in order:
        j = first.setdefault(digests[i], i)
        if i == j:
            continue
        duplicates.append(Duplicate(name=printable(items[i].name), repeats=printable(items[j].name)))
        in_both += items[i].part != items[j].part
        if items[i].label != items[j].label:
            contradicted.append(f"{items[i].name} ({items[i].label}) and {items[j].name} ({items[j].label})")
    if in_both:
        notes.append(f"{count(in_both, 'test image')} with the pixels of a training image, left out.")
    if contradicted:
        notes.append(
            f"The same pixels have different labels; the second one's was taken: {listed(contradicted)}."
        )
    return list(first.values()), duplicates


def _without_untrained_classes(
    kept: np.ndarray, is_test: np.ndarray, items: Sequence[Item], notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """`kept` and `is_test` without the test images of classes that have no training images."""
    trained = {items[i].label for i in kept[~is_test]}
    left_out = np.array(
        [test and items[i].label not in trained for i, test in zip(kept, is_test, strict=True)], bool
    )
    if trained and left_out.any():
        classes = sorted({str(items[i].label) for i in kept[left_out]}, key=natural_key)
        notes.append(
            f"{count(int(left_out.sum()), 'test image')} of {count(len(classes), 'class', 'classes')} "
            f"without training images, left out: {listed(classes)}."
        )
        return kept[~left_out], is_test[~left_out]
    return kept, is_test


def _classes(kept: np.ndarray, items: Sequence[Item], notes: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the classes, and the label of each kept image as an index into them."""
    names = tuple(sorted({label for i in kept if (label := items[i].label) is not None}, key=natural_key))
    if len(names) < 2:
        one = f"all are {printable(names[0])}" if names else "no class is given"
        notes.append(f"The images count as unlabelled: {one}.")
        return (), np.zeros(len(kept), np.int64)
    index: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    return names, np.array([index[items[i].label] for i in kept], np.int64)


def _counts(
    names: Sequence[str], labels: np.ndarray, is_test: np.ndarray, notes: list[str]
) -> tuple[ClassCount, ...]:
    train, test = Counter(labels[~is_test].tolist()), Counter(labels[is_test].tolist())
    counts = tuple(
        ClassCount(name=printable(names[c]), train=train[c], test=test[c]) for c in range(len(names))
    )
    if untested := [found.name for found in counts if not found.test]:
        notes.append(f"No test images: {count(len(untested), 'class', 'classes')}, {listed(untested)}.")
    return counts


def _refuse_empty(is_test: np.ndarray, pile: Pile, name: object) -> None:
    for part, n in (("training", int((~is_test).sum())), ("test", int(is_test.sum()))):
        if n:
            continue
        if pile.has_part:
            advice = (
                f"add {part} images, or name the {'test' if part == 'training' else 'training'} folder alone"
            )
        else:
            advice = f"add more images, or {'lower' if part == 'training' else 'raise'} --holdout"
        notes = "".join(f" {note}" for note in pile.notes)
        raise DataError(
            f"{name} leaves no {part} images of {count(len(pile.items), 'image')}; {advice}.{notes}"
        )
