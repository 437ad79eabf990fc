"""Sample sheets and image files: images side by side as a PNG, or as arrays in an NPZ."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gencore.models.base import GenerativeModel
from gencore.sampling.generate import generate
from gencore.store.files import write_atomically

SHEET_COLUMNS = 10
SHEET_IMAGES = 100


def rows_of_classes(model: GenerativeModel, n: int = SHEET_IMAGES) -> Tensor | None:
    """Labels (n,) that give each row of a sheet one class, for a conditional model."""
    if not model.conditional:
        return None
    return (torch.arange(n, device=model.device) // SHEET_COLUMNS) % model.spec.classes


def draw_sheet(model: GenerativeModel, seed: int, dtype: torch.dtype) -> bytes:
    """The PNG of SHEET_IMAGES samples of one fixed noise; a row a class where the model is conditional."""
    return to_png(generate(model, SHEET_IMAGES, rows_of_classes(model), seed, dtype))


def to_png(images: Tensor, columns: int = SHEET_COLUMNS) -> bytes:
    """The PNG of uint8 images (N, C, H, W) side by side without gaps, row by row; unused cells are black."""
    from torchvision.utils import make_grid  # takes a second to import

    sheet = make_grid(images.cpu(), nrow=columns, padding=0)  # (3, H, W), of grey images three equal channels
    pixels = sheet.permute(1, 2, 0).numpy() if images.shape[1] == 3 else sheet[0].numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write(path: Path, images: Tensor, labels: Tensor | None) -> None:
    """Write uint8 images (N, C, H, W) as a PNG sheet, or an NPZ: `images` (N, H, W[, 3]), `labels` (N,)."""
    if path.suffix == ".png":
        content = to_png(images, columns=max(SHEET_COLUMNS, math.isqrt(len(images))))
    else:
        pixels = images.permute(0, 2, 3, 1).cpu().numpy()  # (N, C, H, W) -> (N, H, W, C)
        grey_or_colour = pixels.squeeze(3) if pixels.shape[3] == 1 else pixels
        buffer = io.BytesIO()
        if labels is None:
            np.savez_compressed(buffer, images=grey_or_colour)
        else:
            np.savez_compressed(buffer, images=grey_or_colour, labels=labels.cpu().numpy())
        content = buffer.getvalue()
    write_atomically(path, content)
