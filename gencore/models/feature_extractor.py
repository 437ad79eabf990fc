"""The feature extractors of a data set: classifiers trained here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gencore import devices
from gencore.config.datasets import DatasetSpec
from gencore.config.model_sections import ClassifierConfig
from gencore.config.options import EXTRACTORS, DatasetName
from gencore.data.batches import dequantise
from gencore.models.classifier import Classifier
from gencore.networks.classifier import FeatureClassifier
from gencore.store.checkpoints import load_checkpoint, shapes_of
from gencore.store.extractor_runs import FIRST, features_run

_CHUNK = {"cpu": 100, "cuda": 1000}
"""Images at a time, by device type: activations of 100 images stay in a CPU's caches, which is twice as
fast.
"""


class MissingFeaturesError(ValueError):
    """The data set has no feature extractor yet; the message says how to get one."""


@dataclass(frozen=True)
class Extracted:
    """What the extractor computes of N images."""

    features: Tensor  # (N, D) float32
    logits: Tensor  # (N, classes) float32

    @property
    def predicted(self) -> Tensor:
        """The class recognised in each image, (N,) int64."""
        return self.logits.argmax(1)


@dataclass(frozen=True)
class FeatureExtractor:
    """Turns uint8 images into features; float32 on every device, so that figures compare across machines."""

    network: FeatureClassifier
    spec: DatasetSpec
    digest: str
    kind: str
    """Its name among EXTRACTORS."""

    @property
    def name(self) -> str:
        """Name for reports and results."""
        of_what = self.spec.title if self.spec.is_labelled else f"k-means clusters of {self.spec.title}"
        return (
            f"gencore {self.kind} classifier for {of_what}, penultimate layer "
            f"({self.network.feature.out_features}-d)"
        )

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Extracted:
        """Images (N, C, H, W) uint8 on the extractor's device."""
        parts = [
            self.network.features(dequantise(chunk))
            for chunk in images.split(_CHUNK.get(images.device.type, 100))
        ]
        features = torch.cat(parts)
        return Extracted(features, self.network.logits(features))

    @torch.no_grad()
    def maps(self, images: Tensor) -> list[Tensor]:
        """The activations of each stage, (N, channels, h, w) float32, of images (N, C, H, W) uint8.

        All are held at once, so N is a hundred or so."""
        return [*self.network.maps(dequantise(images))]


def load_extractor(
    spec: DatasetSpec, device: torch.device, folder: Path | None = None, extractor: str = FIRST
) -> FeatureExtractor:
    """An extractor of the data set, ready to compute in full float32; without a name the first.

    Raises MissingFeaturesError naming the command that makes it, also where there is one of another version
    of the data set; CheckpointError, or UnreadableError.
    """
    devices.use_full_float32()
    spec = spec.original
    run = features_run(spec.name, folder, extractor)
    path = run.checkpoints / "final.safetensors"
    if not path.exists():
        raise MissingFeaturesError(
            f"no feature classifier for {spec.name} yet; run `gencore features {spec.name}` first"
        )
    trained_on, config = run.config().dataset_spec, run.config().model
    if trained_on != spec:
        raise MissingFeaturesError(
            f"the feature extractors of {spec.name} were trained on another version of it; run "
            f"`gencore features {spec.name} --overwrite`"
        )
    if not isinstance(config, ClassifierConfig):
        raise MissingFeaturesError(
            f"run {run.name} holds no feature classifier; give it another name and train one"
        )
    model = Classifier(config, spec)
    checkpoint = load_checkpoint(
        path, shapes_of({"model": model.state_dict(), "average": model.averaged.state_dict()})
    )
    model.averaged.load_state_dict(checkpoint.section("average"))
    network = model.network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    return FeatureExtractor(network, spec, checkpoint.digest, extractor)


def extractors_at_hand(dataset: DatasetName, folder: Path | None = None) -> list[str]:
    """Names of the extractors of `dataset` that have been trained, the first one first."""
    return [
        name
        for name in EXTRACTORS
        if (features_run(dataset, folder, name).checkpoints / "final.safetensors").exists()
    ]
