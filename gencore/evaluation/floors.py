"""Floors: the metrics of real images against real images, in the features of the data set's classifier.

They are the best that a model can be expected to reach; pure noise is the other end. Both are measured once a
data set, when its feature classifier is trained.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.config.options import DatasetName
from gencore.data.sources import SPLITS, with_digests
from gencore.data.sources import load as load_data
from gencore.evaluation.records import Floor, ReferenceFigures
from gencore.evaluation.training_features import training_features
from gencore.metrics.classes import (
    class_shares,
    conditional_accuracy,
    confusion_matrix,
    within_class_variance,
)
from gencore.metrics.corruptions import pure_noise
from gencore.metrics.frechet import frechet_distance, moments
from gencore.metrics.manifold import Manifold, manifold_figures
from gencore.models.feature_extractor import (
    FeatureExtractor,
    MissingFeaturesError,
    features_run,
    load_extractor,
)
from gencore.store import results
from gencore.store.runs import Run

FLOOR_DRAWS = 8
_MANIFOLD_METRICS = ("precision", "recall", "density", "coverage", "f1")


def measure_reference_figures(
    run: Run, device: torch.device, data_folder: Path | None, say: Callable[[str], None]
) -> ReferenceFigures:
    """Measure the floors of a data set with the classifier that `run` trained, and store them beside it."""
    dataset = run.config().data.dataset
    extractor = load_extractor(dataset, device, run.home)
    data = {split: load_data(dataset, split, data_folder) for split in SPLITS}
    test, train = (data[split].to(device) for split in ("test", "train"))
    say(f"features of {len(test.images) + len(train.images)} real images")
    test_extracted, classes = extractor(test.images), len(test.spec.class_names)
    noise = pure_noise(test.images.shape, Generator(device).manual_seed(0))
    confusion = confusion_matrix(test.labels, test_extracted.predicted, classes)
    reference = ReferenceFigures(
        dataset=dataset,
        extractor_digest=extractor.digest,
        test_accuracy=conditional_accuracy(confusion).mean,
        confusion=confusion.tolist(),
        class_shares=class_shares(test.labels, classes).tolist(),
        within_class_variance=within_class_variance(test_extracted.features, test.labels, classes).tolist(),
        floors=_floors(test_extracted.features, training_features(extractor, run, train).features, say),
        half_floors=_floors(test_extracted.features, None, say),
        fd_of_noise=frechet_distance(moments(extractor(noise).features), moments(test_extracted.features)),
        origin=with_digests(devices.origin_here(device, ["features", dataset]), data),
    )
    results.save(run.results / "reference.json", reference)
    return reference


def _floors(test: Tensor, train: Tensor | None, say: Callable[[str], None]) -> dict[str, Floor]:
    """Real against real, FLOOR_DRAWS times: random training images against the test split, or its halves."""
    rng = torch.Generator(test.device).manual_seed(0)
    whole = Manifold.of(test) if train is not None else None
    draws: dict[str, list[float]] = {}
    for draw in range(FLOOR_DRAWS):
        say(
            f"floors, draw {draw + 1} of {FLOOR_DRAWS}, "
            f"{'test halves' if train is None else 'train against test'}"
        )
        if train is None:
            order = torch.randperm(len(test), generator=rng, device=test.device)
            half = len(test) // 2
            sample, against = test[order[:half]], test[order[half : 2 * half]]
        else:
            count = min(len(test), len(train))
            sample, against = (
                train[torch.randperm(len(train), generator=rng, device=test.device)[:count]],
                test,
            )
        figures = manifold_figures(whole or Manifold.of(against), Manifold.of(sample))
        for name in _MANIFOLD_METRICS:
            draws.setdefault(name, []).append(getattr(figures, name))
        draws.setdefault("fd", []).append(frechet_distance(moments(sample), moments(against)))
    return {
        name: Floor(
            value=statistics.fmean(values),
            standard_deviation=statistics.stdev(values),
            samples=len(sample),
            draws=FLOOR_DRAWS,
        )
        for name, values in draws.items()
    }


def load_reference_figures(
    dataset: DatasetName, extractor: FeatureExtractor, folder: Path
) -> ReferenceFigures:
    """Raises MissingFeaturesError where it was never measured, or was measured with another classifier."""
    path = features_run(dataset, folder).results / "reference.json"
    if not path.exists():
        raise MissingFeaturesError(f"no floors for {dataset} yet; run `gencore features {dataset}` first")
    reference = results.load(path, ReferenceFigures)
    if reference.extractor_digest != extractor.digest:
        raise MissingFeaturesError(
            f"the floors of {dataset} belong to another classifier; "
            f"run `gencore features {dataset} --overwrite`"
        )
    return reference
