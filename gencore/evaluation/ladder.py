"""What each metric sees: real images, and the same images spoilt in known ways, before the panel.

A metric is worth its number only where it sees what is wrong. `selftest.json` lies beside the feature classifier;
results and pages quote it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Generator

from gencore import results
from gencore.config import DatasetName
from gencore.data.sources import load as load_data
from gencore.features import FeatureExtractor, features_run, load_extractor
from gencore.judge import Seen, SelfTest
from gencore.metrics.corruptions import LADDER
from gencore.panel import Panel
from gencore.results import BETTER, Better, Origin

DRAWS = 4
SAMPLES = 10_000
_CLEARLY = 4.0  # deviations between draws of real images, beyond the worst of them
_WORST = ("pure noise", "single class")
_BARELY_WRONG = "blurred"


def selftest(
    dataset: DatasetName,
    device: torch.device,
    folder: Path,
    data_folder: Path | None,
    origin: Origin,
    say: Callable[[str], None] = lambda text: None,
) -> SelfTest:
    """Put real and spoilt training images before the panel, and store what it says beside the classifier.

    Raises MissingFeaturesError, DataError.
    """
    extractor = load_extractor(dataset, device, folder)
    test, train = (load_data(dataset, split, data_folder).to(device) for split in ("test", "train"))
    panel, rng = Panel(extractor, test), Generator(device).manual_seed(0)
    count = min(SAMPLES, len(train.images) // 2)  # so that draws differ

    draws = []
    for draw in range(DRAWS):
        say(f"real images, draw {draw + 1} of {DRAWS}")
        chosen = torch.randperm(len(train.images), generator=rng, device=device)[:count]
        images, labels = train.images[chosen], train.labels[chosen]
        draws.append(panel(images, extractor(images)))
    rungs = {}
    for name, spoil in LADDER.items():  # the last draw's images
        say(name)
        rung = spoil(images, labels, rng)
        rungs[name] = panel(rung.images, extractor(rung.images))
    found = SelfTest(
        dataset=dataset,
        extractor_digest=extractor.digest,
        samples=count,
        metrics={
            name: seen(BETTER[name], [draw[name] for draw in draws], {rung: figures[name] for rung, figures in rungs.items()})
            for name in draws[0]
        },
        origin=origin,
    )
    results.save(_path(dataset, folder), found)
    return found


def seen(better: Better, real: list[float], rungs: Mapping[str, float]) -> Seen:
    """What a metric sees, given its values for draws of real images and for each rung."""
    badness = {rung: _badness(better, value) for rung, value in rungs.items()}
    of_real = [_badness(better, value) for value in real]
    bound = max(of_real) + _CLEARLY * statistics.stdev(of_real)
    return Seen(
        better=better,
        real=real,
        rungs=dict(rungs),
        sees=[rung for rung, bad in badness.items() if bad > bound],
        misorders=[rung for rung in _WORST if badness[rung] < badness[_BARELY_WRONG]],
    )


def _badness(better: Better, value: float) -> float:
    """Larger is worse."""
    if better == "nearer 1":
        return abs(math.log(value)) if value > 0 else math.inf
    return value if better == "smaller" else -value


def load_selftest(dataset: DatasetName, extractor: FeatureExtractor, folder: Path) -> SelfTest | None:
    """None where it was never made, or was made with another classifier."""
    try:
        found = results.load(_path(dataset, folder), SelfTest)
    except FileNotFoundError:
        return None
    return found if found.extractor_digest == extractor.digest else None


def _path(dataset: DatasetName, folder: Path) -> Path:
    return features_run(dataset, folder).results / "selftest.json"
