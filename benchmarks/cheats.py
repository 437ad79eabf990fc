"""What the scores say of images that cheat, next to real ones: noise, corruptions, copies of training images.

    python benchmarks/cheats.py [--dataset mnist] [--threads 2]

Of the training split, a sixth is held out here and taken for unseen real images; the rest stands for the
training split. All rows go through the path of `gencore measure`, with labels, so that controllability is the
share of images that show their class. Prints a Markdown table; docs/scores.md quotes it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.analysis.scores import Score, scores
from gencore.data.image_files import ImageSet
from gencore.data.registry import find
from gencore.data.sources import ImageData
from gencore.evaluation.evaluate import DEFAULT_SPACES, as_results, measured_groups
from gencore.evaluation.outside import images_config
from gencore.evaluation.real_data import RealData, View
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.suite import EvaluatedModel
from gencore.metrics.catalog import DEFAULT_GROUPS
from gencore.metrics.corruptions import ladder_for
from gencore.store import runs

COPIES = (500, 2000)
PARTS = ("realism", "fidelity", "variety", "coverage", "balance", "novelty")


def with_training_split(real: RealData, train: ImageData) -> RealData:
    """The same data set with fewer training images."""
    views = {
        name: View(view.extractor, view.reference, view.test_images, train, view.folder)
        for name, view in real.views.items()
    }
    return replace(real, splits={**real.splits, "train": train}, views=views)


def sets(train: ImageData, held_out: ImageData, n: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, images and labels of each row."""
    device = train.images.device
    rng = Generator(device).manual_seed(0)

    def drawn(of: ImageData, k: int) -> tuple[Tensor, Tensor]:
        chosen = torch.randperm(len(of.images), generator=rng, device=device)[:k]
        return of.images[chosen], of.labels[chosen]

    def repeated(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(images), (n,), generator=rng, device=device)
        return images[chosen], labels[chosen]

    yield "unseen real images", held_out.images, held_out.labels
    for name, corrupt in ladder_for(train.spec.size, train.spec.native_size).items():
        rung = corrupt(held_out.images, held_out.labels, rng)
        yield name, rung.images, rung.labels
    classes = torch.arange(train.spec.classes, device=device)
    means = torch.stack([train.images[train.labels == c].float().mean(0) for c in classes])
    yield "class means", *repeated(means.round().to(torch.uint8), classes)
    first = torch.stack([train.images[train.labels == c][0] for c in classes])
    yield "one training image a class", *repeated(first, classes)
    for k in COPIES:
        yield f"copies of {k:,} training images", *repeated(*drawn(train, k))
    yield f"copies of all {len(train.images):,} training images", *drawn(train, n)


def row(name: str, images: Tensor, labels: Tensor, real: RealData) -> str:
    """A line of the table."""
    evaluated = EvaluatedModel.of_images(images, labels, real)
    metrics = measured_groups(evaluated, DEFAULT_GROUPS, DEFAULT_SPACES, lambda text: None)
    config = images_config(ImageSet(images.cpu(), labels.cpu()), real.test.spec, name)
    found = scores([as_results("cheat", config, "", evaluated, {}, metrics)])
    parts = found["quality"].parts
    figures = [metrics["fd_over_floor"].value, *(parts.get(part) for part in PARTS)]
    cells = [f"{figure:.3g}" if figure is not None else "—" for figure in figures]
    return f"| {name} | {' | '.join(map(_shown, found.values()))} | {' | '.join(cells)} |"


def _shown(score: Score) -> str:
    return "—" if score.value is None else f"{score.value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="mnist", choices=["mnist", "digits"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = devices.pick()
    everything = RealData.load(find(asked.dataset), device, runs.home(), None)
    whole, order = everything.train, Generator(device).manual_seed(1)
    n = min(default_samples(len(whole.images)), len(whole.images) // 6)
    shuffled = torch.randperm(len(whole.images), generator=order, device=device)
    held_out, train = (
        replace(whole, images=whole.images[part], labels=whole.labels[part])
        for part in (shuffled[:n], shuffled[n:])
    )
    real = with_training_split(everything, train)
    print(
        f"{devices.describe(device)}, {asked.threads} threads; {n:,} images a row unless it says otherwise\n"
    )
    print(
        f"| images | quality | stability | controllability | efficiency | fd ÷ floor | {' | '.join(PARTS)} |"
    )
    print(f"|{' --- |' * (6 + len(PARTS))}", flush=True)
    for name, images, labels in sets(train, held_out, n):
        print(row(name, images, labels, real), flush=True)


if __name__ == "__main__":
    main()
