"""Evaluate a trained model: images from its averaged weights, compared with the test split.

Each figure is reported with its floor, the same figure for real training images. Earlier figures of the same
images are kept with their origin; those of other weights or other images are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import torch

from gencore import devices
from gencore.config import commands
from gencore.config.families import sampling_options
from gencore.config.options import RunConfig
from gencore.data.sources import with_digests
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.inception import inception_metrics, lpips
from gencore.evaluation.real_data import RealData
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.suite import (
    GROUPS,
    EvaluatedModel,
    random_feature_metrics,
    without_class_figures,
)
from gencore.latent.traversal import LatentSpace
from gencore.metrics.catalog import DEFAULT_GROUPS, FeatureSpace, MetricGroup
from gencore.metrics.classes import class_shares
from gencore.models.base import HasLatent, Trainable
from gencore.models.feature_extractor import extractors_at_hand, load_extractor
from gencore.models.load import load_model
from gencore.sampling.cache import cached_samples
from gencore.sampling.sheets import draw_sheet, to_png
from gencore.store import events, results
from gencore.store.files import write_atomically
from gencore.store.results import Metric, Origin, Results
from gencore.store.runs import Run
from gencore.training.summary import summary_metrics

DEFAULT_SPACES: tuple[FeatureSpace, ...] = ("classifier",)


def evaluate(
    run: Run,
    device: torch.device,
    samples: int | None = None,
    seed: int = 0,
    changes: dict[str, object] | None = None,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    groups: Collection[MetricGroup] = DEFAULT_GROUPS,
    spaces: Collection[FeatureSpace] = DEFAULT_SPACES,
) -> Results:
    """Measure `run`, write results.json, samples.png and morph.png, and return what was measured.

    `samples` is as `default_samples` says where not given. A conditional model is asked for classes as often
    as the test split has them, and for one figure uniformly. `changes` as in `load_model` (another
    sampler, say). All `groups` use the classifier's features; random features give distances and manifold
    figures, Inception's distances.
    Raises MissingFeaturesError, CheckpointError, DataError, ValueError.
    """
    config = run.config()
    model, checkpoint = load_model(run, device, changes=changes)
    refuse_broken_weights(run, model)
    history = events.without_void(events.tail(run.events_path).events)
    training_origin, training_metrics = training_figures(run, config, model, history)
    real = RealData.load(config.dataset_spec, device, run.home, data_folder)
    dtype = devices.precision(config.training.precision, device)
    samples = samples or default_samples(len(real.train.images))
    evaluated = EvaluatedModel.of(
        model,
        real,
        samples,
        seed,
        dtype,
        lambda labels, seed: cached_samples(run, model, checkpoint.digest, samples, labels, seed, dtype, say),
        with_distances="distances" in groups and "classifier" in spaces,
    )

    metrics = measured_groups(evaluated, groups, spaces, say) | training_metrics
    fd, ends = metrics.get("fd"), real.first.reference
    metrics |= summary_metrics(history, ends.floors["fd"].value, ends.fd_of_blur, fd.value if fd else None)
    here = devices.origin_here(device, words_of(run, samples, seed, changes, groups, spaces))
    origins = {"evaluation": with_digests(here, real.splits), "training": training_origin}
    found = as_results(run.name, config, checkpoint.digest, evaluated, origins, metrics)
    found = with_what_still_stands(found, previous_results(run, say))
    write_atomically(run.results / "samples.png", draw_sheet(model, config.training.seed, dtype))
    if isinstance(model, HasLatent):
        morph = LatentSpace(model, dtype).morph(real.first.extractor, config.training.seed)
        write_atomically(run.results / "morph.png", to_png(morph, columns=len(morph)))
    results.save(run.results_path, found)
    return found


def refuse_broken_weights(run: Run, model: Trainable) -> None:
    """Raises ValueError where averaged weights of `model`, that of `run`, are not finite."""
    if not all(bool(weights.isfinite().all()) for weights in model.averaged.state_dict().values()):
        raise ValueError(
            f"weights of run {run.name} are not finite, so its images mean nothing; train it again"
        )


def as_results(
    name: str,
    config: RunConfig,
    checkpoint_digest: str,
    evaluated: EvaluatedModel,
    origins: dict[str, Origin],
    metrics: dict[str, Metric],
) -> Results:
    """What was measured of a run, with all that tells of what."""
    extractor, test = evaluated.real.first.extractor, evaluated.real.test
    return Results(
        run=name,
        label=config.label,
        dataset=config.data.dataset,
        seed=config.training.seed,
        origins=origins,
        checkpoint_digest=checkpoint_digest,
        extractor=extractor.name,
        extractor_digest=extractor.digest,
        extractor_digests=evaluated.scales.digests,
        reference=f"test split of {test.spec.title}, {len(test.images)} images; "
        "the extractor shares its training split with the model",
        sampler=evaluated.sampling,
        samples=len(evaluated.images),
        sampling_seed=evaluated.seed,
        metrics=metrics,
        class_names=list(test.spec.class_names),
        class_shares=class_shares(evaluated.extracted.predicted, evaluated.real.classes).tolist(),
        confusion=None if evaluated.confusion is None else evaluated.confusion.tolist(),
    )


def measured_before(run: Run, device: torch.device, samples: int | None = None) -> Results | None:
    """The results of `evaluate` with default options but `samples`, of the same weights on this machine."""
    spec, found = run.config().dataset_spec, previous_results(run, lambda text: None)
    if found is None or "evaluation" not in found.origins:
        return None
    _, checkpoint = load_model(run, device)
    at_hand = [load_extractor(spec, device, run.home, n) for n in extractors_at_hand(spec.name, run.home)]
    used = {
        extractor.kind: extractor.digest
        for extractor in at_hand
        if not load_reference_figures(spec.name, extractor, run.home).misorders
    }
    samples = samples or default_samples(spec.train_count)
    words = words_of(run, samples, 0, None, DEFAULT_GROUPS, DEFAULT_SPACES)
    expected, known = devices.origin_here(device, words), found.origins["evaluation"]
    here, then = (
        (origin.command, origin.device, origin.threads, origin.versions) for origin in (expected, known)
    )
    now, before = (checkpoint.digest, used), (found.checkpoint_digest, found.extractor_digests)
    return found if (now, here) == (before, then) else None


def words_of(
    run: Run,
    samples: int,
    seed: int,
    changes: dict[str, object] | None,
    groups: Collection[MetricGroup],
    spaces: Collection[FeatureSpace],
    default_groups: Collection[MetricGroup] = DEFAULT_GROUPS,
) -> list[str]:
    """The words of the command that measures this."""
    words = ["evaluate", run.name, "--samples", str(samples), "--seed", str(seed)]
    flags = {option.field: flag for flag, rows in sampling_options().items() for option, _ in rows}
    words += [f"--{flags[name].replace('_', '-')}={value}" for name, value in (changes or {}).items()]
    if set(groups) != set(default_groups):
        words += ["--metrics", *groups]
    if set(spaces) != set(DEFAULT_SPACES):
        words += ["--features", *spaces]
    return words


def measured_groups(
    evaluated: EvaluatedModel,
    groups: Collection[MetricGroup],
    spaces: Collection[FeatureSpace],
    say: Callable[[str], None],
) -> dict[str, Metric]:
    """The metrics of these groups and feature spaces."""
    metrics: dict[str, Metric] = {}
    if "classifier" in spaces:
        for name, measured in GROUPS.items():
            if name in groups:
                say(name)
                metrics |= measured(evaluated)
        metrics = without_class_figures(metrics, evaluated.real)
    if "random" in spaces:
        say("second opinion")
        metrics |= random_feature_metrics(evaluated)
    if "inception" in spaces:
        real = evaluated.real.test.images
        metrics |= inception_metrics(evaluated.images, real, say)
        metrics["lpips"] = lpips(evaluated.images, real, evaluated.rng(), say)
    return metrics


def previous_results(run: Run, say: Callable[[str], None]) -> Results | None:
    """The results of `run` before this evaluation; None where there are none that can be read."""
    try:
        return run.load_results()
    except results.UnreadableError as error:
        say(f"{error}; written anew")
        return None


def with_what_still_stands(found: Results, previous: Results | None) -> Results:
    """`found`, and what `previous` says of the same images beyond it, each figure with its own origin."""
    if previous is None or _images_of(previous) != _images_of(found):
        return found
    metrics, origins = {}, {}
    for name, metric in previous.metrics.items():
        if name in found.metrics or metric.measured_in not in previous.origins:
            continue
        origin = previous.origins[metric.measured_in]
        key = f"evaluation {origin.unix_time}" if metric.measured_in == "evaluation" else metric.measured_in
        metrics[name] = metric.model_copy(update={"measured_in": key})
        origins[key] = origin
    return found.model_copy(update={"metrics": found.metrics | metrics, "origins": origins | found.origins})


def _images_of(found: Results) -> tuple[object, ...] | None:
    """What decides which images were measured, and in which features; None where it is not known."""
    if found.samples is None or found.sampling_seed is None:
        return None
    extractors = found.extractor_digest, found.extractor_digests
    return found.checkpoint_digest, found.sampler, found.sampling_seed, found.samples, *extractors


def training_figures(
    run: Run, config: RunConfig, model: Trainable, history: list[events.Event]
) -> tuple[Origin, dict[str, Metric]]:
    """What the event log says of the training: where it ran, how long it took."""
    started = next((e for e in reversed(history) if isinstance(e, events.Started)), None)
    if started is None:
        raise results.UnreadableError(f"{run.events_path} says of no training; train the run again")
    latest = next((e for e in reversed(history) if isinstance(e, events.Ended | events.Progress)), None)
    origin = Origin(
        kind="shipped" if run.is_shipped else "measured",
        command=commands.shown(commands.train(commands.nearest_preset(config), run.name, config)),
        device=started.device,
        threads=started.threads,
        versions=started.versions,
        unix_time=started.time,
        tf32=started.tf32,
        data_digests={"train": started.data_digest} if started.data_digest else {},
    )
    in_training = {"measured_in": "training"}
    unknown = {"value": None, "reason": "the event log has no figures yet"}
    idle = started.idle_memory_mib
    peak: dict[str, object] = {"value": None, "reason": "training has not ended"}
    if isinstance(latest, events.Ended) and idle is None:
        peak["reason"] = "the event log is of before the memory of loaded libraries was told apart"
    elif isinstance(latest, events.Ended):
        peak = {"value": max(0.0, latest.peak_memory_mib - (idle or 0.0))}
    metrics = {
        "training_seconds": Metric(
            **in_training, unit="s", **({"value": events.device_seconds(latest)} if latest else unknown)
        ),
        "peak_memory_mib": Metric(**in_training, unit="MiB", **peak),
        "parameters": Metric(value=float(sum(p.numel() for p in model.parameters())), unit="trained in all"),
        "sampling_parameters": Metric(
            value=float(sum(p.numel() for p in model.averaged.parameters())), unit="used to sample"
        ),
    }
    return origin, metrics
