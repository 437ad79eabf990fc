"""Floors: the metrics of real images against real images, in the features of the data set's classifier.

They are the best that a model can be expected to reach. They are measured once a data set, when its feature
classifiers are trained, at the number of images and for the class shares that models are evaluated with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator

from gencore import devices
from gencore.config.options import DatasetName
from gencore.data.sources import SPLITS, ImageData, with_digests
from gencore.data.sources import load as load_data
from gencore.evaluation.real_images import RealImages, default_samples, half_floors, weights_of_classes
from gencore.evaluation.records import ReferenceFigures
from gencore.evaluation.training_features import training_features
from gencore.metrics.classes import (
    class_shares,
    conditional_accuracy,
    confusion_matrix,
)
from gencore.metrics.corruptions import FewOfAClassError, ladder_for
from gencore.metrics.frechet import Moments, frechet_distance, moments
from gencore.models.feature_extractor import FeatureExtractor, MissingFeaturesError, load_extractor
from gencore.store import results
from gencore.store.extractor_runs import FIRST, features_run
from gencore.store.runs import Run


def measure_reference_figures(
    run: Run, device: torch.device, data_folder: Path | None, say: Callable[[str], None], extractor: str
) -> ReferenceFigures:
    """Measure the floors of a data set with the classifier that `run` trained, and store them beside it.

    Of `extractor`s beyond the first, only Fréchet distances are measured."""
    spec = run.config().dataset_spec
    dataset, features = spec.name, load_extractor(spec, device, run.home, extractor)
    data = {split: load_data(spec, split, data_folder) for split in SPLITS}
    test, train = (data[split].to(device) for split in ("test", "train"))
    say(f"features of {len(test.images) + len(train.images)} real images")
    test_extracted, classes = features(test.images), test.spec.classes
    train_features = training_features(features, run, train).features
    real = RealImages(test_extracted.features, train_features, train.labels)
    confusion = confusion_matrix(test.labels, test_extracted.predicted, classes)
    shares, count = class_shares(test.labels, classes), default_samples(len(train.images))
    is_first = extractor == FIRST
    reference = ReferenceFigures(
        dataset=dataset,
        extractor_digest=features.digest,
        test_accuracy=conditional_accuracy(confusion).mean,
        confusion=confusion.tolist(),
        class_shares=shares.tolist(),
        floors=real.floors(count, None, is_first, say),
        floors_by_shares={
            name: real.floors(count, weights, is_first, say)
            for name, weights in weights_of_classes(shares).items()
        },
        half_floors=half_floors(test_extracted.features, say) if is_first else {},
        fd_of_rungs=_fd_of_rungs(features, train, count, moments(test_extracted.features), say),
        origin=with_digests(devices.origin_here(device, ["features", dataset]), data),
    )
    results.save(run.results / "reference.json", reference)
    return reference


def _fd_of_rungs(
    extractor: FeatureExtractor, train: ImageData, n: int, real: Moments, say: Callable[[str], None]
) -> dict[str, float]:
    """fd of n random training images under each corruption of the ladder."""
    rng = Generator(train.images.device).manual_seed(0)
    chosen = torch.randperm(len(train.images), generator=rng, device=train.images.device)[:n]
    found = {}
    for name, corrupt in ladder_for(train.spec.size, train.spec.native_size).items():
        say(f"corrupted images: {name}")
        try:
            images = corrupt(train.images[chosen], train.labels[chosen], rng).images
        except FewOfAClassError:
            continue
        found[name] = frechet_distance(moments(extractor(images).features), real)
    return found


def load_reference_figures(
    dataset: DatasetName, extractor: FeatureExtractor, folder: Path
) -> ReferenceFigures:
    """Raises MissingFeaturesError where it was never measured, or was measured with another classifier."""
    path = features_run(dataset, folder, extractor.kind).results / "reference.json"
    again = f"run `gencore features {dataset} --resume`"
    try:
        reference = results.load(path, ReferenceFigures)
    except FileNotFoundError:
        raise MissingFeaturesError(f"no floors for {dataset} yet; {again} first") from None
    except results.UnreadableError as error:
        raise MissingFeaturesError(f"{error}; an older version may have written it: {again}") from error
    if reference.extractor_digest != extractor.digest:
        raise MissingFeaturesError(f"the floors of {dataset} belong to another classifier; {again}")
    return reference
