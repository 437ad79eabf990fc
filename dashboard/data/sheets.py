"""Sample sheets: gapless PNG grids of native-size images, cut up and drawn large with sharp pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

COLUMNS = ROWS = 10
MAX_SIDE = 10 * 256
MAX_FRAMES = 200
TRIPTYCH_SIDE = 128
"""Pixels of a picture of a triptych as drawn, at most, where pictures are smaller."""
GAP = 1
"""Native pixels between two pictures; transparent, so that the page's own colour shows."""
PALE = 110
"""Opacity, of 255, of what is not meant just now."""


class SheetError(ValueError):
    """A file that is no sample sheet; the message names it and says why."""


def read(path: Path) -> np.ndarray:
    """The pictures of a sheet, uint8 (ROWS, COLUMNS, height, width, 3). Raises SheetError."""
    image = _open(path)
    if max(image.size) > MAX_SIDE or image.width % COLUMNS or image.height % ROWS:
        raise SheetError(
            f"{path.name} is {image.width} × {image.height}; a sheet is {COLUMNS} × {ROWS} pictures "
            f"of equal size, at most {MAX_SIDE} pixels a side"
        )
    pixels = np.asarray(image)
    height, width = pixels.shape[0] // ROWS, pixels.shape[1] // COLUMNS
    return pixels.reshape(ROWS, height, COLUMNS, width, 3).swapaxes(1, 2)


class Strip(NamedTuple):
    """A row of square pictures, as a PNG made anew from what was read."""

    png: bytes
    frames: int


def read_strip(path: Path) -> Strip:
    """Raises SheetError."""
    picture = _open(path)
    frames, rest = divmod(picture.width, picture.height)
    if rest or not 2 <= frames <= MAX_FRAMES or picture.height > MAX_SIDE // ROWS:
        raise SheetError(
            f"{path.name} is {picture.width} × {picture.height}; a strip is 2 to {MAX_FRAMES} square "
            f"pictures in a row"
        )
    return _strip(picture, frames)


def strip(pictures: np.ndarray) -> Strip:
    """Of square pictures, uint8 (N, height, width, 3)."""
    return _strip(Image.fromarray(np.concatenate(pictures, axis=1)), len(pictures))


def _strip(row: Image.Image, frames: int) -> Strip:
    content = io.BytesIO()
    row.save(content, "PNG")
    return Strip(content.getvalue(), frames)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_SIDE**2:
                raise SheetError(
                    f"{path.name} is {image.width} × {image.height}, larger than any picture drawn here"
                )
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise SheetError(f"{path.name} is not readable as a picture: {error}") from error


def of_run(folder: Path, file: str) -> Path:
    """The sheet that a run's log names, inside the run's own `folder`. Raises SheetError."""
    path = folder / file
    if not path.resolve().is_relative_to(folder):
        raise SheetError(f"{file} leads out of the run's folder")
    return path


def draw(
    pictures: Sequence[np.ndarray] | np.ndarray, columns: int, scale: int, lit: int | None = None
) -> bytes:
    """A PNG of `pictures`, each uint8 (height, width, 3), in `columns`, every pixel `scale` pixels wide.

    Where a column is `lit`, the others are pale.
    """
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    canvas = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 4), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + GAP), place % columns * (width + GAP)
        canvas[top : top + height, left : left + width, :3] = picture
        pale = lit is not None and place % columns != lit
        canvas[top : top + height, left : left + width, 3] = PALE if pale else 255
    large = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    content = io.BytesIO()
    Image.fromarray(large, "RGBA").save(content, "PNG", compress_level=3)
    return content.getvalue()


def draw_sheet(path: Path, scale: int = 4) -> bytes:
    """The whole sheet. Raises SheetError."""
    pictures = read(path)
    return draw(pictures.reshape(-1, *pictures.shape[2:]), COLUMNS, scale)


def draw_triptychs(path: Path, side: int, rows: int | None = None) -> bytes:
    """A sheet of triptychs, pictures of `side` pixels in threes, or its first `rows` rows, with gaps
    between triptychs. Raises SheetError.
    """
    pixels = np.asarray(_open(path))
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_SIDE or height % side or width % (3 * side):
        raise SheetError(
            f"{path.name} is {width} × {height}; a sheet of triptychs has pictures of {side} × {side} "
            f"pixels in threes, at most {MAX_SIDE} pixels a side"
        )
    triptychs = pixels.reshape(height // side, side, width // (3 * side), 3 * side, 3).swapaxes(1, 2)[:rows]
    columns = triptychs.shape[1]
    return draw(triptychs.reshape(-1, side, 3 * side, 3), columns, scale=max(1, TRIPTYCH_SIDE // side))


def draw_ten(path: Path, conditional: bool, columns: int = 5, scale: int = 6) -> bytes:
    """Ten pictures, not chosen: the sheet's first row, or the first of each class. Raises SheetError."""
    pictures = read(path)
    return draw(pictures[:, 0] if conditional else pictures[0], columns, scale)
