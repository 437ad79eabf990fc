"""Figures of images as translations of test pairs, and those of answers that need no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gencore.data.sources import ImageData
from gencore.metrics.catalog import METRICS
from gencore.metrics.perceptual import PAIRS, feature_lpips
from gencore.metrics.reconstruction import l1_by_image, psnr_by_image, ssim_by_image
from gencore.metrics.translation import (
    mean_picture,
    nearest_sources,
    source_agreement,
    source_as_output,
    sources_searched,
)
from gencore.models.feature_extractor import FeatureExtractor
from gencore.sampling.translate import fixed_pairs
from gencore.store.results import Metric

ERRORS = ("translation_l1", "translation_psnr", "translation_ssim", "translation_feature_lpips")
AGREEMENTS = ("source_agreement", "label_agreement")
VARIETY_SOURCES = 1000
"""That are translated twice."""
IDENTITY, MEAN_PICTURE, NEAREST_PAIR = "identity", "mean picture", "nearest pair"
_VALUES_AT_ONCE = 2**21
"""Pixels of a part: SSIM takes some 40 times their bytes in double precision."""
_MAPS_AT_ONCE = 50  # activations of all layers are held at once


@dataclass(frozen=True)
class PairFigures:
    """The figures of any images as translations of the sources of `pairs`, all on one device."""

    pairs: ImageData
    extractor: FeatureExtractor

    def of(self, images: Tensor) -> dict[str, Tensor]:
        """By metric a value for each image (N,) float64, of images (N, C, H, W) uint8 in the pairs' order;
        `translation_feature_lpips` of PAIRS of them at most."""
        return self._errors(images) | self.agreements(images)

    def agreements(self, images: Tensor) -> dict[str, Tensor]:
        """Whether images are of their source and of their label; the first of filtered sources only."""
        recognised = self.extractor(images).predicted == self.pairs.labels
        found = {"label_agreement": recognised.double()}
        if filter_id := self.pairs.spec.filter_id:
            found["source_agreement"] = source_agreement(filter_id, images, self._sources)
        return found

    def _errors(self, images: Tensor) -> dict[str, Tensor]:
        at_once = max(1, _VALUES_AT_ONCE // images[0].numel())
        parts: dict[str, list[Tensor]] = {name: [] for name in ERRORS}
        for some, targets in zip(images.split(at_once), self.pairs.images.split(at_once), strict=True):
            x, y = some.float() / 255, targets.float() / 255
            parts["translation_l1"].append(l1_by_image(x, y))
            parts["translation_psnr"].append(psnr_by_image(x, y))
            parts["translation_ssim"].append(ssim_by_image(x, y))
        count = min(PAIRS, len(images))
        chosen = torch.arange(count, device=images.device) * len(images) // count
        for part in chosen.split(_MAPS_AT_ONCE):
            maps = (self.extractor.maps(side[part]) for side in (images, self.pairs.images))
            parts["translation_feature_lpips"].append(feature_lpips(*maps).double())
        return {name: torch.cat(found) for name, found in parts.items()}

    @property
    def _sources(self) -> Tensor:
        assert self.pairs.sources is not None, "pairs have sources"
        return self.pairs.sources


def answers_without_model(
    pairs: ImageData, train: ImageData, say: Callable[[str], None]
) -> Mapping[str, Tensor]:
    """By name, images (N, C, H, W) uint8 that anybody can give for the sources of `pairs`, N of them.

    The source itself, where its channels permit; the mean training image; and the training image whose source
    is nearest."""
    assert pairs.sources is not None and train.sources is not None, "pairs have sources"
    found = {}
    if (same := source_as_output(pairs.sources, pairs.spec.channels)) is not None:
        found[IDENTITY] = same
    found[MEAN_PICTURE] = mean_picture(train.images).expand(len(pairs.images), -1, -1, -1)
    searched = sources_searched(len(pairs.sources), len(train.sources), pairs.sources[0].numel())
    say(f"nearest of {searched} training sources, of {len(train.sources)}")
    found[NEAREST_PAIR] = train.images[nearest_sources(pairs.sources, train.sources).to(train.images.device)]
    return found


def translation_metrics(
    outputs: Tensor, figures: PairFigures, train: ImageData, say: Callable[[str], None]
) -> dict[str, Metric]:
    """The group `translation` but for the variety, of outputs (N, C, H, W) uint8 for the sources of pairs.

    The floor of an error is the best answer without a model, that of an agreement the real images'."""
    by_image, real = figures.of(outputs), figures.agreements(figures.pairs.images)
    simple = {
        name: figures.of(images) for name, images in answers_without_model(figures.pairs, train, say).items()
    }
    found = {}
    for name, values in by_image.items():
        baselines = {answer: of[name].mean().item() for answer, of in simple.items()}
        if name in ERRORS:
            floor = (max if METRICS[name].better == "larger" else min)(baselines.values())
        else:
            floor = real[name].mean().item()
        found[name] = Metric(
            value=values.mean().item(),
            unit=METRICS[name].unit,
            floor=floor,
            baselines=baselines,
            spread=values.std().item() / len(values) ** 0.5,
            samples=len(values),
        )
    if "source_agreement" not in found:
        reason = "the pairs were given, so no filter tells what the source of an output would be"
        found["source_agreement"] = Metric(value=None, reason=reason)
    return found


def variety(translated: Callable[[Tensor, int], Tensor], pairs: ImageData, seed: int) -> Metric:
    """Mean difference of `translated(sources, seed)`, uint8, by two seeds, of VARIETY_SOURCES at most."""
    sources = fixed_pairs(pairs, min(VARIETY_SOURCES, len(pairs.images))).sources
    assert sources is not None, "pairs have sources"
    one, other = (translated(sources, each).float() / 255 for each in (seed, seed + 1))
    values = l1_by_image(one, other)
    error = values.std().item() / len(values) ** 0.5
    return Metric(value=values.mean().item(), spread=error, samples=len(values))
