"""Evaluate a translation model: its outputs for the sources of test pairs, compared with the real images.

The counterpart of `gencore.evaluation.evaluate` for models that turn source images into images."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import torch
from torch import Tensor

from gencore import devices
from gencore.data.sources import ImageData, with_digests
from gencore.evaluation.cost import translation_cost_metrics
from gencore.evaluation.distances import Scales
from gencore.evaluation.evaluate import (
    DEFAULT_SPACES,
    as_results,
    measured_groups,
    previous_results,
    refuse_broken_weights,
    training_figures,
    with_what_still_stands,
    words_of,
)
from gencore.evaluation.inception import inception_metrics, lpips_to_targets
from gencore.evaluation.paired_figures import PairFigures, translation_metrics, variety
from gencore.evaluation.real_data import RealData
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.suite import EvaluatedModel, without_class_figures
from gencore.metrics.catalog import TRANSLATION_GROUPS, FeatureSpace, MetricGroup
from gencore.models.base import Trainable, Translates
from gencore.models.load import load_translator
from gencore.sampling.cache import with_progress
from gencore.sampling.translate import draw_triptychs, fixed_pairs, translate, translate_batches
from gencore.store import events, results
from gencore.store.files import write_atomically
from gencore.store.results import Metric, Results
from gencore.store.runs import Run
from gencore.training.summary import summary_metrics


def evaluate_translation(
    run: Run,
    device: torch.device,
    samples: int | None = None,
    seed: int = 0,
    changes: dict[str, object] | None = None,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    groups: Collection[MetricGroup] = TRANSLATION_GROUPS,
    spaces: Collection[FeatureSpace] = DEFAULT_SPACES,
) -> Results:
    """Measure `run`, write results.json and samples.png, and return what was measured.

    Arguments are those of `evaluate`; `samples` are pairs of the test split, spread evenly over it, without
    it all of them, but as many as `default_samples` says at most. The outputs' Fréchet distance is to all
    images of the test split. Raises as `evaluate`, and ValueError where there are fewer pairs."""
    config = run.config()
    model, checkpoint = load_translator(run, device, changes=changes)
    assert isinstance(model, Trainable), "it was trained"
    refuse_broken_weights(run, model)
    history = events.without_void(events.tail(run.events_path).events)
    training_origin, metrics = training_figures(run, config, model, history)
    real = RealData.load(config.dataset_spec, device, run.home, data_folder)
    dtype = devices.precision(config.training.precision, device)
    pairs = _pairs(real, samples)
    evaluated = _evaluated(model, pairs, real, seed, dtype, say)
    if "classifier" in spaces:
        metrics |= _measured(model, evaluated, pairs, groups, say)
    if "inception" in spaces:
        metrics |= inception_metrics(evaluated.images, real.test.images, say)
        metrics["translation_lpips"] = lpips_to_targets(evaluated.images, pairs.images, say)
    fd, ends = metrics.get("fd"), real.first.reference
    metrics |= summary_metrics(history, ends.floors["fd"].value, ends.fd_of_blur, fd.value if fd else None)
    words = words_of(run, len(pairs.images), seed, changes, groups, spaces, TRANSLATION_GROUPS)
    origins = {
        "evaluation": with_digests(devices.origin_here(device, words), real.splits),
        "training": training_origin,
    }
    found = as_results(run.name, config, checkpoint.digest, evaluated, origins, metrics)
    found = found.model_copy(update={"sampler": model.translation})
    found = with_what_still_stands(found, previous_results(run, say))
    sheet = draw_triptychs(model, real.test, config.training.seed, dtype)
    write_atomically(run.results / "samples.png", sheet)
    results.save(run.results_path, found)
    return found


def _pairs(real: RealData, samples: int | None) -> ImageData:
    """So many test pairs. Raises ValueError where there are fewer."""
    available = len(real.test.images)
    count = samples or min(available, default_samples(len(real.train.images)))
    if count > available:
        raise ValueError(
            f"--samples is {count}; a translation is measured on test pairs, and {real.test.spec.title} has "
            f"{available}, so take {available} or fewer"
        )
    return fixed_pairs(real.test, count)


def _evaluated(
    model: Translates,
    pairs: ImageData,
    real: RealData,
    seed: int,
    dtype: torch.dtype,
    say: Callable[[str], None],
) -> EvaluatedModel:
    """The outputs for the sources of `pairs`, of classes in the shares of the test split."""
    assert pairs.sources is not None, "pairs have sources"
    count = len(pairs.images)
    floors = real.first.floors(count, "test", manifold=False)  # first: it refuses too many
    scales = Scales.of(real, count, "test")
    say(f"translating {count} test pairs: {model.translation}")
    batches = translate_batches(model, pairs.sources, seed, dtype)
    outputs = with_progress(batches, count, "translated", say)
    extracted = real.first.extractor(outputs)
    return EvaluatedModel(None, real, outputs, pairs.labels, extracted, floors, scales, [], None, seed, dtype)


def _measured(
    model: Translates,
    evaluated: EvaluatedModel,
    pairs: ImageData,
    groups: Collection[MetricGroup],
    say: Callable[[str], None],
) -> dict[str, Metric]:
    """The metrics of these groups, in the features of the data set's classifiers."""
    assert pairs.sources is not None, "pairs have sources"
    real, dtype = evaluated.real, evaluated.dtype
    found: dict[str, Metric] = {}
    if "distances" in groups:
        found |= measured_groups(evaluated, ["distances"], DEFAULT_SPACES, say)
    if "translation" in groups:
        say("translation")
        figures = PairFigures(pairs, real.first.extractor)
        found |= without_class_figures(translation_metrics(evaluated.images, figures, real.train, say), real)

        def translated(sources: Tensor, seed: int) -> Tensor:
            return translate(model, sources, seed, dtype)

        found["translation_variety"] = variety(translated, pairs, evaluated.seed)
    if "cost" in groups:
        say("cost")
        found |= translation_cost_metrics(model, pairs.sources, dtype)
    return found
