"""From trained weights to images: load a run's model, draw, lay out a sheet."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from gencore import devices
from gencore.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from gencore.config import RunConfig
from gencore.data.batches import quantise
from gencore.data.registry import DATASETS
from gencore.files import write_atomically
from gencore.models import build
from gencore.models.base import GenerativeModel
from gencore.runs import Run

SHEET_COLUMNS = 10
SHEET_IMAGES = 100


def newest_states(run: Run) -> list[Path]:
    """The run's resumable states, newest first."""
    return sorted(run.checkpoints.glob("step-*.safetensors"), reverse=True)


def load_weights(run: Run) -> Checkpoint:
    """The weights that stand for the run: final ones, else those of its newest state. Raises CheckpointError."""
    path = run.weights_path
    if path is None:
        raise CheckpointError(f"run {run.name} has no checkpoint in {run.checkpoints}; train it first")
    return load_checkpoint(path)


def load_model(
    run: Run, device: torch.device, averaged: bool = True, changes: Mapping[str, object] | None = None
) -> tuple[GenerativeModel, Checkpoint]:
    """The run's model, ready to sample, and the checkpoint it came from.

    `changes` replace fields of its model config that do not touch weights (sampler, sampling_steps, guidance, prior).
    Raises ValueError for a change the model does not have, FileNotFoundError, CheckpointError, UnreadableError.
    """
    config = run.config()
    unknown = sorted(set(changes or ()) - set(type(config.model).model_fields))
    if unknown:
        raise ValueError(f"{config.label} has no option {', '.join(unknown)}")
    changed = RunConfig.model_validate(
        config.model_dump() | {"model": config.model.model_dump() | dict(changes or {})}
    )
    model = build(changed.model, DATASETS[config.data.dataset])
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"run {run.name} is a feature classifier; it draws no images")
    checkpoint = load_weights(run)
    if not averaged and not checkpoint.section("model"):
        raise ValueError(f"run {run.name} was delivered with its averaged weights only; draw from those")
    try:
        if averaged:
            model.averaged.load_state_dict(checkpoint.section("average"))
        else:
            model.load_state_dict(checkpoint.section("model"))
    except RuntimeError as error:
        raise CheckpointError(f"the checkpoint of run {run.name} does not fit its config: {error}") from error
    return model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last), checkpoint


def generate(
    model: GenerativeModel, n: int, labels: Tensor | None, seed: int, dtype: torch.dtype, batch_size: int = 500
) -> Tensor:
    """n images (n, C, H, W) uint8 on the model's device, as a PNG would hold them; same seed, same images."""
    return torch.cat(list(generate_batches(model, n, labels, seed, dtype, batch_size)))


@torch.no_grad()
def generate_batches(
    model: GenerativeModel, n: int, labels: Tensor | None, seed: int, dtype: torch.dtype, batch_size: int = 500
) -> Iterator[Tensor]:
    """The images of `generate`, `batch_size` at a time."""
    rng = Generator(model.device).manual_seed(seed)
    for start in range(0, n, batch_size):
        given = None if labels is None else labels[start : start + batch_size]
        with devices.autocast(model.device, dtype):
            images = model.sample(min(batch_size, n - start), given, rng)
        yield quantise(images)


def rows_of_classes(model: GenerativeModel, n: int = SHEET_IMAGES) -> Tensor | None:
    """Labels (n,) that give each row of a sheet one class, for a conditional model."""
    if not model.conditional:
        return None
    return (torch.arange(n, device=model.device) // SHEET_COLUMNS) % len(model.spec.class_names)


def draw_sheet(model: GenerativeModel, seed: int, dtype: torch.dtype) -> bytes:
    """The PNG of SHEET_IMAGES samples of one fixed noise; a row a class where the model is conditional."""
    return to_png(generate(model, SHEET_IMAGES, rows_of_classes(model), seed, dtype))


def to_png(images: Tensor, columns: int = SHEET_COLUMNS) -> bytes:
    """A gapless sheet of uint8 images (N, C, H, W), row by row; places left over are black."""
    n, c, h, w = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    cells = images.new_zeros(rows * columns, c, h, w)
    cells[:n] = images
    sheet = cells.view(rows, columns, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(sheet.squeeze(2) if c == 1 else sheet).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write(path: Path, images: Tensor, labels: Tensor | None) -> None:
    """uint8 images (N, C, H, W) as a PNG sheet, or as an NPZ of `images` (N, H, W[, 3]) and, if given, `labels`."""
    if path.suffix == ".png":
        content = to_png(images, columns=max(SHEET_COLUMNS, math.isqrt(len(images))))
    else:
        pixels = images.permute(0, 2, 3, 1).cpu().numpy()  # (N, C, H, W) -> (N, H, W, C)
        arrays = {"images": pixels.squeeze(3) if pixels.shape[3] == 1 else pixels}
        if labels is not None:
            arrays["labels"] = labels.cpu().numpy()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        content = buffer.getvalue()
    write_atomically(path, content)
