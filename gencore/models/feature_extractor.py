"""The feature extractor of a data set: a classifier trained here, and what the real images look like through it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gencore import runs
from gencore.checkpoints import load_checkpoint
from gencore.config import DatasetName
from gencore.data.batches import dequantise
from gencore.data.registry import DATASETS, DatasetSpec
from gencore.models.classifier import Classifier
from gencore.runs import Run

_CHUNK = 1000


class MissingFeaturesError(ValueError):
    """The data set has no feature extractor yet; the message says how to get one."""


@dataclass(frozen=True)
class Extracted:
    features: Tensor  # (N, D) float32
    logits: Tensor  # (N, classes) float32

    @property
    def predicted(self) -> Tensor:
        """The class recognised in each image, (N,) int64."""
        return self.logits.argmax(1)


@dataclass(frozen=True)
class FeatureExtractor:
    """Turns uint8 images into features; float32 on every device, so that figures compare across machines."""

    network: torch.nn.Module
    spec: DatasetSpec
    digest: str

    @property
    def name(self) -> str:
        return f"gencore classifier for {self.spec.title}, penultimate layer ({self.network.feature.out_features}-d)"

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Extracted:
        """images (N, C, H, W) uint8 on the extractor's device."""
        parts = [self.network.features(dequantise(chunk)) for chunk in images.split(_CHUNK)]
        features = torch.cat(parts)
        return Extracted(features, self.network.logits(features))


def features_run(dataset: DatasetName, folder: Path | None = None) -> Run:
    """The run that holds (or will hold) the classifier of `dataset`."""
    return runs.run(f"features-{dataset}", folder)


def load_extractor(dataset: DatasetName, device: torch.device, folder: Path | None = None) -> FeatureExtractor:
    """Raises MissingFeaturesError naming the command that makes it, or CheckpointError."""
    run = features_run(dataset, folder)
    path = run.checkpoints / "final.safetensors"
    if not path.exists():
        raise MissingFeaturesError(f"no feature classifier for {dataset} yet; run `gencore features {dataset}` first")
    checkpoint = load_checkpoint(path)
    spec = DATASETS[dataset]
    model = Classifier(run.config().model, spec)
    model.averaged.load_state_dict(checkpoint.section("average"))
    network = model.network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    return FeatureExtractor(network, spec, checkpoint.digest)
