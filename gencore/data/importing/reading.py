"""A path to a data set: what it is, what it holds, and what becomes of each picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gencore.data.importing.array_files import add_arrays
from gencore.data.importing.entries import PICTURE_SUFFIXES, Entry, Source, kind_of
from gencore.data.importing.label_files import LabelFile, read_label_file
from gencore.data.importing.layout import Layout, layout_of
from gencore.data.importing.names import count, listed, printable
from gencore.data.importing.opening import opened
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.pairing import add_pairs
from gencore.data.importing.pictures import UnreadableError, read_picture
from gencore.data.importing.pile import Pile
from gencore.data.importing.report import Imported
from gencore.data.importing.splitting import assemble
from gencore.data.verification import DataError, reason_of

_PICTURES_BETWEEN_MESSAGES = 5_000


def read(
    path: Path,
    options: ImportOptions,
    labels: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """The images at `path` in the size, the channels and the split that `options` name.

    With `options.pairs` they are pairs, as `gencore.data.importing.pairing` says. `path` is a folder, a ZIP
    or a TAR archive (.tar, .tar.gz, .tar.xz) of pictures, of IDX files or of NPZ files, or one IDX file or
    NPZ. Pictures lie in class folders or side by side; `train/` and `test/` folders, or these words in the
    names of IDX files and arrays, give the split. `labels` is a file of `file,label` rows, of one label an
    image in the order of names, an IDX file or an .npy. `say` takes a line of progress now and then. Raises
    DataError, and nothing else, for whatever the files hold.
    """
    if options.pairs:
        return _read_pairs(path, options, labels, say)
    pile = Pile(options)
    try:
        found_labels = None if labels is None else read_label_file(labels)
        with opened(path) as source:
            contents = _add_contents(source, found_labels, pile, say)
            return assemble(pile, f"{source.container} of {contents}", len(source.entries), path)
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read: {error.strerror or reason_of(error)}"
        ) from error


def _read_pairs(
    path: Path, options: ImportOptions, labels: Path | None, say: Callable[[str], None]
) -> Imported:
    """As `read`, of pairs: their two sides share the memory that images alone may take."""
    if labels is not None:
        raise DataError(f"{labels} labels images, and pairs need no labels; leave out --labels")
    sources, targets = (Pile(options, sharing=2) for _ in range(2))
    try:
        with opened(path) as source:
            say(f"{source.path} is a {source.container} with {count(len(source.entries), 'file')}")
            targets.notes += source.notes
            pictures, arrays, others = _sorted_by_kind(source)
            if others := [*others, *(entry.name for entry in arrays)]:
                targets.notes.append(f"Files of other kinds were not read: {listed(others)}.")
            if not pictures:
                raise DataError(f"{path} holds no pictures; pairs are read from pictures alone")
            contents = add_pairs(pictures, sources, targets, path, say)
            words = f"{source.container} of {contents}"
            return assemble(targets, words, len(source.entries), path, sources)
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read: {error.strerror or reason_of(error)}"
        ) from error


def _add_contents(source: Source, labels: LabelFile | None, pile: Pile, say: Callable[[str], None]) -> str:
    """Adds all images of `source` to `pile`; what the source is made of, in words."""
    say(f"{source.path} is a {source.container} with {count(len(source.entries), 'file')}")
    pile.notes += source.notes
    pictures, arrays, others = _sorted_by_kind(source)
    if others:
        pile.notes.append(f"Files of other kinds were not read: {listed(others)}.")
    if pictures and arrays:
        raise DataError(
            f"{source.path} holds pictures ({printable(pictures[0].name)}) and arrays "
            f"({printable(arrays[0].name)}); move one kind to a folder of its own"
        )
    if arrays:
        add_arrays(arrays, labels, pile, say)
        return "IDX or NPZ arrays"
    if pictures:
        layout = layout_of(pictures, labels, source.path)
        _add_pictures(layout, pile, source, say)
        return "pictures"
    found = "".join(f" {note}" for note in pile.notes)
    raise DataError(f"{source.path} holds no pictures, no IDX files and no NPZ.{found}")


def _sorted_by_kind(source: Source) -> tuple[list[Entry], list[Entry], list[str]]:
    """Pictures, IDX and NPZ files, and the names of the others, such as archives in archives.

    What has the name of a picture but no content of these kinds counts as a picture, so that it is named as
    unreadable.
    """
    pictures, arrays, others = [], [], []
    for entry in source.entries:
        kind = kind_of(entry)
        if kind == "idx" or (kind == "zip" and (source.container == "file" or entry.path.suffix == ".npz")):
            arrays.append(entry)
        elif kind == "picture" or entry.path.suffix.lower() in PICTURE_SUFFIXES:
            pictures.append(entry)
        else:
            others.append(entry.name)
    return pictures, arrays, sorted(others)


def _add_pictures(layout: Layout, pile: Pile, source: Source, say: Callable[[str], None]) -> None:
    """Adds the pictures that can be read. Raises DataError where none can."""
    pile.has_part = layout.gives_split
    pile.notes += layout.notes
    with_frames = 0
    for number, (entry, item) in enumerate(layout.pictures, 1):
        try:
            picture = read_picture(entry)
        except UnreadableError as error:
            pile.leave_out(entry.name, str(error))
            continue
        with_frames += picture.has_frames
        pile.add(item, picture.image)
        if number % _PICTURES_BETWEEN_MESSAGES == 0:
            say(f"read {number:,} of {count(len(layout.pictures), 'picture')}")
    if with_frames:
        pile.notes.append(
            f"Of {count(with_frames, 'file')} with several frames or pages, the first was taken."
        )
    if pile.unreadable and not pile.items:
        first = pile.unreadable[0]
        raise DataError(
            f"{source.path} holds {count(len(pile.unreadable), 'picture')}, and none can be read; "
            f"{first.name}: {first.reason}"
        )
