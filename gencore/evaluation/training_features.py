"""Features of a data set's training images, computed once for a classifier and kept beside its weights.

The search for the nearest training image, memorisation and controllability use them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch

from gencore import devices
from gencore.data.sources import ImageData
from gencore.models.feature_extractor import Extracted, FeatureExtractor
from gencore.store.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.store.runs import Run

FILE = "training-features/features.safetensors"
"""Under the checkpoints of the classifier's run; a folder of its own, as the run's weights lie beside it."""
_CHUNK = 1000


def training_features(
    extractor: FeatureExtractor,
    run: Run,
    train: ImageData,
    progress: Callable[[float], None] = lambda share: None,
) -> Extracted:
    """Features (N, D) and logits (N, K) of the training split, on its device; read from disk where stored.

    `run` is the classifier's. `progress` is called with the share that is done, 0 to 1. Stored features are
    used if the classifier, the images, the device and torch's version are the same, and recomputed otherwise.
    """
    key = {
        "extractor": extractor.digest,
        "data": train.alone.digest,
        "device": devices.describe(train.images.device),
        "torch": torch.__version__,
    }
    path = run.checkpoints / FILE
    with contextlib.suppress(OSError, CheckpointError):  # absent or damaged: computed below
        n, network = len(train.images), extractor.network
        widths = {"features": network.feature.out_features, "logits": network.logit.out_features}
        kept = load_checkpoint(path, {name: (n, width) for name, width in widths.items()})
        if all(kept.metadata.get(name) == value for name, value in key.items()):
            return Extracted(*(kept.tensors[name].to(train.images.device) for name in ("features", "logits")))
    parts = []
    for chunk in train.images.split(_CHUNK):
        parts.append(extractor(chunk))
        progress(min(1.0, len(parts) * _CHUNK / len(train.images)))
    extracted = Extracted(torch.cat([p.features for p in parts]), torch.cat([p.logits for p in parts]))
    with contextlib.suppress(OSError):  # a folder that is read-only, or a full disk: computed again next time
        save_checkpoint(path, {"features": extracted.features, "logits": extracted.logits}, key)
    return extracted
