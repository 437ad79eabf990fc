"""A picture of any common format to a small square of unsigned bytes."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gencore.data.importing.entries import Entry
from gencore.data.importing.limits import LONGEST_SIDE, MOST_PICTURE_BYTES, MOST_PIXELS
from gencore.data.verification import reason_of

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_TILE_SIDES = (322, 323)  # TIFF's tags
_GREY_16 = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UnreadableError(Exception):
    """A picture cannot be read; the message is the reason, without the name."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in 8 bits, upright, without transparency."""

    image: Image.Image
    """mode L or RGB"""
    has_frames: bool
    """Whether its file has more frames or pages, which were left out."""


def read_picture(entry: Entry) -> Picture:
    """The first frame of a picture, turned as its EXIF orientation says.

    Transparency is composited on white, 16-bit grey divided by 257. Raises UnreadableError, for large
    pictures before they are decoded.
    """
    if entry.size > MOST_PICTURE_BYTES:
        raise UnreadableError(f"its file has {entry.size:,} bytes; at most {MOST_PICTURE_BYTES:,} are read")
    try:
        with entry.open() as file:
            content = io.BytesIO(file.read(entry.size))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged EXIF data; sizes are checked here
            return _decoded(content)
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError("it is no PNG, JPEG, BMP, GIF, WebP, TIFF or PPM picture") from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"it is larger than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's and zipfile's decoders raise errors of many kinds for damaged files
        raise UnreadableError(reason_of(error)) from error


def to_square(image: Image.Image, size: int, fit: Literal["crop", "pad"]) -> np.ndarray:
    """A picture of mode L or RGB as uint8 (size, size), or (size, size, 3) where it has colour.

    `crop` takes the square in the middle. `pad` adds the median colour of the outermost pixels on both sides;
    the picture is scaled first, so that padding takes no memory. Scaling is bicubic and antialiased, as
    Parmar et al. 2022 ("On aliased resizing", clean-fid) advise.
    """
    width, height = image.size
    if width == height:
        square = _scaled(image, (size, size))
    elif fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        square = _scaled(image, (size, size), (left, top, left + side, top + side))
    else:
        longest = max(width, height)
        inner = max(1, round(size * width / longest)), max(1, round(size * height / longest))
        square = Image.new(image.mode, (size, size), _border_colour(image))
        square.paste(_scaled(image, inner), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return without_needless_channels(np.array(square))


def without_needless_channels(pixels: np.ndarray) -> np.ndarray:
    """(H, W) of (H, W, 3) whose three channels are equal; else the same."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    return pixels


def _decoded(content: io.BytesIO) -> Picture:
    with Image.open(content, formats=FORMATS) as opened:
        _refuse_too_large(opened)
        has_frames = bool(getattr(opened, "is_animated", False))
        return Picture(_in_eight_bits(ImageOps.exif_transpose(opened)), has_frames)


def _refuse_too_large(picture: Image.Image) -> None:
    width, height = picture.size
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise UnreadableError(
            f"it has {width:,} x {height:,} pixels; at most {LONGEST_SIDE:,} a side and "
            f"{MOST_PIXELS:,} together are read"
        )
    tags = getattr(picture, "tag_v2", {})
    tile = [tags[tag] for tag in _TILE_SIDES if isinstance(tags.get(tag), int)]
    if len(tile) == 2 and tile[0] * tile[1] > MOST_PIXELS:
        raise UnreadableError(f"its tiles have {tile[0]:,} x {tile[1]:,} pixels")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode in _GREY_16:
        return _of_sixteen_bits(picture)
    if picture.mode == "F":
        raise UnreadableError("its pixels are floating-point numbers; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _of_sixteen_bits(picture: Image.Image) -> Image.Image:
    """Mode L. Pillow itself would clip the values at 255."""
    values = np.asarray(picture).astype(np.int32)
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableError("its pixels have 32 bits; save it with 8 or 16")
    if isinstance(transparent := picture.info.get("transparency"), int):
        values[values == transparent] = 65535
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _scaled(
    image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int] | None = None
) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box)


def _border_colour(image: Image.Image) -> int | tuple[int, ...]:
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(border, axis=0)
    return int(median) if median.ndim == 0 else tuple(map(int, median))
