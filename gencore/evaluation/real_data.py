"""The real images of a data set as evaluation needs them: both splits, and the features of each extractor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Generator, Tensor

from gencore.config.datasets import DatasetSpec
from gencore.data.sources import SPLITS, ImageData, Split
from gencore.data.sources import load as load_data
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.image_metrics import ImageMetrics
from gencore.evaluation.ladder import load_ladder
from gencore.evaluation.real_images import RealImages, draw_classes, weights_of_classes
from gencore.evaluation.records import Ladder, ReferenceFigures, Shares
from gencore.evaluation.training_features import training_features
from gencore.models.feature_extractor import (
    Extracted,
    FeatureExtractor,
    extractors_at_hand,
    load_extractor,
)
from gencore.store.extractor_runs import FIRST, features_run


@dataclass(frozen=True)
class View:
    """Both splits through one extractor."""

    extractor: FeatureExtractor
    reference: ReferenceFigures
    test_images: Tensor
    train: ImageData
    folder: Path

    @cached_property
    def test(self) -> Extracted:
        """Features and logits of the test split."""
        return self.extractor(self.test_images)

    @cached_property
    def training(self) -> Extracted:
        """Features and logits of the training split."""
        run = features_run(self.train.spec.name, self.folder, self.extractor.kind)
        return training_features(self.extractor, run, self.train)

    @cached_property
    def class_weights(self) -> Mapping[Shares, Tensor]:
        """By which classes are drawn."""
        return weights_of_classes(torch.tensor(self.reference.class_shares))

    def floors(self, samples: int, shares: Shares | None, manifold: bool) -> dict[str, float]:
        """Of as many real images of classes in these shares: as stored, or drawn now; fd, or `manifold` too.

        Raises ValueError where there are not as many real images."""
        stored = self.reference.floors_for(shares)
        if stored["fd"].samples != samples:
            real = RealImages(self.test.features, self.training.features, self.train.labels)
            stored = real.floors(samples, self.class_weights[shares] if shares else None, manifold)
        return {name: floor.value for name, floor in stored.items()}


@dataclass(frozen=True)
class RealData:
    """A data set's splits, on one device, with the views that its extractors give of them."""

    splits: Mapping[Split, ImageData]
    views: Mapping[str, View]
    ladder: Ladder | None

    @classmethod
    def load(
        cls,
        spec: DatasetSpec,
        device: torch.device,
        folder: Path,
        data_folder: Path | None,
        say: Callable[[str], None] = lambda text: None,
    ) -> RealData:
        """Raises MissingFeaturesError where an extractor or its floors are missing, or of another version of
        the data set; DataError."""
        splits = {split: load_data(spec, split, data_folder).to(device) for split in SPLITS}
        views = {}
        for name in dict.fromkeys([FIRST, *extractors_at_hand(spec.name, folder)]):
            extractor = load_extractor(spec, device, folder, name)
            reference = load_reference_figures(spec.name, extractor, folder)
            views[name] = View(extractor, reference, splits["test"].images, splits["train"], folder)
        return cls(splits, views, load_ladder(spec.name, views[FIRST].extractor, folder))

    @property
    def test(self) -> ImageData:
        """The test split."""
        return self.splits["test"]

    @property
    def train(self) -> ImageData:
        """The training split."""
        return self.splits["train"]

    @property
    def first(self) -> View:
        """The view that all metrics are of."""
        return self.views[FIRST]

    @property
    def classes(self) -> int:
        """How many classes the data set has."""
        return self.test.spec.classes

    @cached_property
    def image_metrics(self) -> ImageMetrics:
        """The metrics of any images, by the first extractor."""
        return ImageMetrics(self.test, self.first.test)

    def labels(self, shares: Shares, n: int, seed: int) -> Tensor:
        """n labels (n,) int64, each drawn with the class's share."""
        rng = Generator(self.test.images.device).manual_seed(seed)
        return draw_classes(self.first.class_weights[shares], n, rng)
