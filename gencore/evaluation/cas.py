"""Classification accuracy score (Ravuri & Vinyals 2019): train on generated images, test on real ones.

It falls with whatever a class's images lack: realism, variety, the right label. Its floor is the same
training on as many real images. The network is smaller and its training shorter than the paper's, so figures
compare within a data set only.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from gencore.config.options import ClassifierConfig, DataConfig, RunConfig, TrainingConfig
from gencore.data.batches import Batches, dequantise
from gencore.data.sources import ImageData
from gencore.metrics.classes import conditional_accuracy, confusion_matrix
from gencore.store.results import Metric
from gencore.training.step import State

STEPS = 400
_BATCH_SIZE = 128
_CHUNK = 1000


def cas_metrics(
    images: Tensor, labels: Tensor, train: ImageData, test: ImageData, seed: int
) -> dict[str, Metric]:
    """Of generated images (N, C, H, W) uint8 and the labels (N,) they were asked for; all on one device."""
    rng = Generator(images.device).manual_seed(seed)
    chosen = torch.randperm(len(train.images), generator=rng, device=images.device)[: len(images)]
    real = replace(train.alone, images=train.images[chosen], labels=train.labels[chosen])
    generated = replace(train.alone, images=images, labels=labels)
    value, floor = (accuracy_after_training(data, test, seed) for data in (generated, real))
    return {"cas": Metric(value=value, floor=floor, samples=len(images))}


def accuracy_after_training(data: ImageData, test: ImageData, seed: int) -> float:
    """Mean accuracy over the classes of `test` of a small classifier trained on `data` for STEPS steps."""
    config = RunConfig(
        data=DataConfig(dataset=data.spec.name, batch_size=min(_BATCH_SIZE, len(data.images))),
        model=ClassifierConfig(width=16, feature_dim=64),
        training=TrainingConfig(seed=seed, ema_decay=0.99, fd_every=0, sheets=0),
    )
    batches = Batches(data, config.data.batch_size, seed)
    state = State.fresh(config, data, data.images.device)
    for step in range(STEPS):
        state.advance(batches.batch(step), 0.5 * (1 + math.cos(math.pi * step / STEPS)))
    classifier = state.average.averaged
    with torch.no_grad():
        predicted = torch.cat(
            [classifier(dequantise(chunk)).argmax(1) for chunk in test.images.split(_CHUNK)]
        )
    return conditional_accuracy(confusion_matrix(test.labels, predicted, test.spec.classes)).mean
