"""Samples of an evaluation, stored beside the weights so that another evaluation need not generate them.

Images are stored, not features: they take longest, all features and pixel metrics follow from them, and they
stay valid when a feature classifier is trained again. They belong to this machine and never ship.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from gencore import devices
from gencore.models.base import GenerativeModel
from gencore.sampling.generate import generate_batches
from gencore.store.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.store.runs import Run

FOLDER = "drawn"  # under the run's checkpoints
_KEPT = 6  # a few samplers and seeds; 10,000 digits are 8 MB


def cached_samples(
    run: Run,
    model: GenerativeModel,
    weights: str,
    n: int,
    labels: Tensor | None,
    seed: int,
    dtype: torch.dtype,
    say: Callable[[str], None],
) -> Tensor:
    """The images (n, C, H, W) uint8 of `generate`, from disk where the same ones are stored.

    `weights` is the digest of the model's weights. The caller holds the claim of `run`. Raises OSError where
    the images cannot be stored.
    """
    key = {
        "weights": weights,
        "sampler": model.sampling,
        "seed": str(seed),
        "samples": str(n),
        "arithmetic": str(dtype),
        "device": devices.describe(model.device),
        "torch": torch.__version__,
        "labels": "none" if labels is None else hashlib.sha256(labels.cpu().numpy().tobytes()).hexdigest(),
    }
    path = (
        run.checkpoints / FOLDER / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.safetensors"
    )
    given_labels = torch.empty(0, dtype=torch.int64) if labels is None else labels.cpu()
    if path.exists():
        try:
            spec = model.spec
            shapes = {"images": (n, spec.channels, spec.size, spec.size), "labels": given_labels.shape}
            kept = load_checkpoint(path, shapes).tensors
        except CheckpointError as error:
            say(f"{error}; generating again")
        else:
            if torch.equal(kept["labels"], given_labels):
                say(f"{n} images from the cache: {model.sampling}")
                return kept["images"].to(model.device)
    say(f"generating {n} images: {model.sampling}")
    images = with_progress(generate_batches(model, n, labels, seed, dtype), n, "generated", say)
    save_checkpoint(path, {"images": images, "labels": given_labels}, key)
    _delete_oldest(path.parent)
    return images


def with_progress(batches: Iterable[Tensor], n: int, done_what: str, say: Callable[[str], None]) -> Tensor:
    """All images (n, C, H, W) of `batches`, with a progress bar on a terminal and a line for each tenth
    elsewhere (`done_what` 100 of 1000)."""
    parts: list[Tensor] = []
    with tqdm(total=n, unit="image", leave=False, disable=None) as bar:
        done = 0
        for images in batches:
            parts.append(images)
            before, done = done, done + len(images)
            bar.update(len(images))
            if bar.disable and 10 * done // n > 10 * before // n and done < n:
                say(f"{done_what} {done} of {n}")
    return torch.cat(parts)


def _delete_oldest(folder: Path) -> None:
    """Keep the newest _KEPT files; also deletes what a killed process left half-written."""
    newest = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)[:_KEPT]
    for path in folder.iterdir():
        if path not in newest:
            path.unlink()
