"""Images that were drawn to be measured, kept beside the weights so that measuring again draws nothing.

Images are kept and not features: they are what takes long to make, every space of features and every measure of pixels
comes from them, and they outlive a feature classifier that is trained anew. They are of this machine and never ship.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from gencore import devices
from gencore.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.models.base import GenerativeModel
from gencore.runs import Run
from gencore.sampling import generate_batches

FOLDER = "drawn"  # under the run's checkpoints
_KEPT = 3  # a few samplers or seeds; 10,000 digits are 8 MB


def drawn(
    run: Run,
    model: GenerativeModel,
    weights: str,
    n: int,
    labels: Tensor | None,
    seed: int,
    dtype: torch.dtype,
    say: Callable[[str], None],
) -> Tensor:
    """The images (n, C, H, W) uint8 of `generate`, from disk where these very ones were drawn before.

    `weights` is the digest of what `model` holds; for the process that holds the claim of `run`. Raises OSError where
    they cannot be stored.
    """
    key = {
        "weights": weights,
        "sampler": model.sampling,
        "seed": str(seed),
        "samples": str(n),
        "arithmetic": str(dtype),
        "device": devices.describe(model.device),
        "torch": torch.__version__,
    }
    path = run.checkpoints / FOLDER / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.safetensors"
    wanted = torch.empty(0, dtype=torch.int64) if labels is None else labels.cpu()
    if path.exists():
        try:
            kept = load_checkpoint(path).tensors
        except CheckpointError as error:
            say(f"{error}; drawing anew")
        else:
            if torch.equal(kept["labels"], wanted):
                say(f"{n} images as drawn before: {model.sampling}")
                return kept["images"].to(model.device)
    images = _draw(model, n, labels, seed, dtype, say)
    save_checkpoint(path, {"images": images, "labels": wanted}, key)
    _forget_old(path.parent)
    return images


def _draw(
    model: GenerativeModel, n: int, labels: Tensor | None, seed: int, dtype: torch.dtype, say: Callable[[str], None]
) -> Tensor:
    """With a bar on a terminal, and a line for each tenth elsewhere."""
    say(f"drawing {n} images: {model.sampling}")
    parts: list[Tensor] = []
    with tqdm(total=n, unit="image", leave=False, disable=None) as bar:
        done = 0
        for images in generate_batches(model, n, labels, seed, dtype):
            parts.append(images)
            before, done = done, done + len(images)
            bar.update(len(images))
            if bar.disable and 10 * done // n > 10 * before // n and done < n:
                say(f"drew {done} of {n}")
    return torch.cat(parts)


def _forget_old(folder: Path) -> None:
    """Keep the newest drawings; what a killed process left half-written goes too."""
    newest = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)[:_KEPT]
    for path in folder.iterdir():
        if path not in newest:
            path.unlink()
