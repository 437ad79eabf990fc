"""Which corruptions each metric detects: real images, and the same images corrupted in known ways.

`selftest.json` lies beside the feature classifier; results and pages list what a metric is blind to.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Generator

from gencore.config.datasets import DatasetName, DatasetSpec
from gencore.data.sources import SPLITS, with_digests
from gencore.data.sources import load as load_data
from gencore.evaluation.image_metrics import ImageMetrics
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.records import BARELY_WRONG, FAR_WORSE, Ladder, MetricLadder
from gencore.metrics.catalog import METRICS, Better
from gencore.metrics.corruptions import FewOfAClassError, ladder_for
from gencore.models.feature_extractor import FeatureExtractor, load_extractor
from gencore.store import results
from gencore.store.extractor_runs import features_run
from gencore.store.results import Origin

DRAWS = 4
_CLEARLY = 4.0  # deviations between draws of real images, beyond the worst of them


def measure_ladder(
    spec: DatasetSpec,
    device: torch.device,
    folder: Path,
    data_folder: Path | None,
    origin: Origin,
    say: Callable[[str], None] = lambda text: None,
) -> Ladder:
    """Measure real and corrupted training images by every metric, and store the ladder beside the classifier.

    Raises MissingFeaturesError, DataError.
    """
    extractor = load_extractor(spec, device, folder)
    data = {split: load_data(spec, split, data_folder) for split in SPLITS}
    test, train = (data[split].to(device) for split in ("test", "train"))
    image_metrics, rng = ImageMetrics(test, extractor(test.images)), Generator(device).manual_seed(0)
    count = default_samples(len(train.images))

    draws = []
    for draw in range(DRAWS):
        say(f"real images, draw {draw + 1} of {DRAWS}")
        chosen = torch.randperm(len(train.images), generator=rng, device=device)[:count]
        images, labels = train.images[chosen], train.labels[chosen]
        draws.append(image_metrics(images, extractor(images)))
    rungs = {}
    for name, corrupt in ladder_for(
        train.spec.size, train.spec.native_size
    ).items():  # the last draw's images
        say(name)
        try:
            rung = corrupt(images, labels, rng)
        except FewOfAClassError as error:
            say(f"{name} is left out: {error}")
            continue
        rungs[name] = image_metrics(rung.images, extractor(rung.images))
    found = Ladder(
        dataset=spec.name,
        extractor_digest=extractor.digest,
        samples=count,
        metrics={
            name: metric_ladder(
                better,
                [draw[name] for draw in draws],
                {rung: figures[name] for rung, figures in rungs.items()},
            )
            for name in draws[0]
            if (better := METRICS[name].better)
        },
        origin=with_digests(origin, data),
    )
    results.save(_path(spec.name, folder), found)
    return found


def metric_ladder(better: Better, real: list[float], rungs: Mapping[str, float]) -> MetricLadder:
    """The rungs that a metric detects, given its values for draws of real images and for each rung."""
    badness = {rung: _badness(better, value) for rung, value in rungs.items()}
    of_real = [_badness(better, value) for value in real]
    bound = max(of_real) + _CLEARLY * statistics.stdev(of_real)
    return MetricLadder(
        better=better,
        real=real,
        rungs=dict(rungs),
        sees=[rung for rung, bad in badness.items() if bad > bound],
        misorders=[rung for rung in FAR_WORSE if badness.get(rung, math.inf) < badness[BARELY_WRONG]],
    )


def _badness(better: Better, value: float) -> float:
    """Larger is worse."""
    if better == "nearer 1":
        return abs(math.log(value)) if value > 0 else math.inf
    return value if better == "smaller" else -value


def load_ladder(dataset: DatasetName, extractor: FeatureExtractor, folder: Path) -> Ladder | None:
    """None where it was never made, or was made with another classifier."""
    try:
        found = results.load(_path(dataset, folder), Ladder)
    except FileNotFoundError:
        return None
    return found if found.extractor_digest == extractor.digest else None


def _path(dataset: DatasetName, folder: Path) -> Path:
    return features_run(dataset, folder).results / "selftest.json"
