"""What a trained model is worth: images drawn from its averaged weights, against the test split.

Beside each figure stands its floor, the same figure for real training images, and pure noise as the other end. Both
are measured once a data set, when its feature classifier is made.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from gencore import commands, devices, events, results
from gencore.config import RunConfig
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.data.sources import load as load_data
from gencore.features import Extracted, FeatureExtractor, MissingFeaturesError, features_run, load_extractor
from gencore.files import write_atomically
from gencore.metrics.classes import (
    class_shares,
    conditional_accuracy,
    confusion_matrix,
    within_class_variance,
)
from gencore.metrics.corruptions import pure_noise
from gencore.metrics.extrapolation import fd_infinity
from gencore.metrics.frechet import frechet_distance, moments
from gencore.metrics.manifold import Manifold, manifold_figures
from gencore.metrics.memorisation import memorisation
from gencore.metrics.reconstruction import mse, psnr, ssim
from gencore.models.base import GenerativeModel, Reconstructs
from gencore.panel import Panel
from gencore.results import Metric, Origin, Results
from gencore.runs import Run
from gencore.sampling import draw_sheet, generate, load_model
from gencore.selftest import SelfTest, load_selftest

SAMPLES = 10_000
SAMPLES_PER_TEST_IMAGE = 10  # where the test split is small, more say little more
FLOOR_DRAWS = 8
FEWEST_TO_EXTRAPOLATE = 2000
NEIGHBOURS_SOUGHT = 2000
TIMED_BATCHES = (1, 16, 100, 1000)
_TIMED_REPEATS = 5
_MANIFOLD_METRICS = ("precision", "recall", "density", "coverage", "f1")
_FLAGS = {"sampler": "sampler", "sampling_steps": "steps", "prior": "prior", "guidance": "guidance"}
NO_LABELS = "the model takes no labels"


class Floor(BaseModel):
    """A metric between real images: mean and spread over draws."""

    model_config = ConfigDict(frozen=True)
    value: float
    standard_deviation: float
    samples: int
    draws: int


class Reference(BaseModel):
    """What the real images of a data set look like through its classifier; `reference.json` beside it."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    extractor_digest: str
    test_accuracy: float
    confusion: list[list[int]] = Field(description="Test split; rows: true class, columns: recognised class.")
    class_shares: list[float] = Field(description="Of the test split, by its labels.")
    within_class_variance: list[float] = Field(description="Of the test split's features, by class.")
    floors: dict[str, Floor] = Field(description="Random training images against the test split.")
    half_floors: dict[str, Floor] = Field(description="One random half of the test split against the other.")
    fd_of_noise: float = Field(description="Uniform pixel noise against the test split.")
    origin: Origin


def measure_reference(run: Run, device: torch.device, data_folder: Path | None, say: Callable[[str], None]) -> Reference:
    """Measure the floors of a data set through the classifier that `run` trained, and store them beside it."""
    dataset = run.config().data.dataset
    extractor = load_extractor(dataset, device, run.results.parent.parent)
    test, train = (load_data(dataset, split, data_folder).to(device) for split in ("test", "train"))
    say(f"features of {len(test.images) + len(train.images)} real images")
    seen, classes = extractor(test.images), len(test.spec.class_names)
    noise = pure_noise(tuple(test.images.shape), Generator(device).manual_seed(0))
    confusion = confusion_matrix(test.labels, seen.predicted, classes)
    reference = Reference(
        dataset=dataset,
        extractor_digest=extractor.digest,
        test_accuracy=conditional_accuracy(confusion).mean,
        confusion=confusion.tolist(),
        class_shares=class_shares(test.labels, classes).tolist(),
        within_class_variance=within_class_variance(seen.features, test.labels, classes).tolist(),
        floors=_floors(seen.features, extractor(train.images).features, say),
        half_floors=_floors(seen.features, None, say),
        fd_of_noise=frechet_distance(moments(extractor(noise).features), moments(seen.features)),
        origin=devices.origin_here(device, ["features", dataset]),
    )
    results.save(run.results / "reference.json", reference)
    return reference


def _floors(test: Tensor, train: Tensor | None, say: Callable[[str], None]) -> dict[str, Floor]:
    """Real against real, FLOOR_DRAWS shuffled times: training images against all of test, or halves of test."""
    rng = torch.Generator(test.device).manual_seed(0)
    whole = Manifold.of(test) if train is not None else None
    draws: dict[str, list[float]] = {}
    for draw in range(FLOOR_DRAWS):
        say(f"floors, draw {draw + 1} of {FLOOR_DRAWS}, {'test halves' if train is None else 'train against test'}")
        if train is None:
            order = torch.randperm(len(test), generator=rng, device=test.device)
            half = len(test) // 2
            sample, against = test[order[:half]], test[order[half : 2 * half]]
        else:
            count = min(len(test), len(train))
            sample, against = train[torch.randperm(len(train), generator=rng, device=test.device)[:count]], test
        figures = manifold_figures(whole or Manifold.of(against), Manifold.of(sample))
        for name in _MANIFOLD_METRICS:
            draws.setdefault(name, []).append(getattr(figures, name))
        draws.setdefault("fd", []).append(frechet_distance(moments(sample), moments(against)))
    return {
        name: Floor(
            value=statistics.fmean(values), standard_deviation=statistics.stdev(values), samples=len(sample), draws=FLOOR_DRAWS
        )
        for name, values in draws.items()
    }


def load_reference(dataset: str, extractor: FeatureExtractor, folder: Path) -> Reference:
    """Raises MissingFeaturesError where it was never measured, or was measured with another classifier."""
    path = features_run(dataset, folder).results / "reference.json"
    if not path.exists():
        raise MissingFeaturesError(f"no floors for {dataset} yet; run `gencore features {dataset}` first")
    reference = results.load(path, Reference)
    if reference.extractor_digest != extractor.digest:
        raise MissingFeaturesError(
            f"the floors of {dataset} belong to another classifier; run `gencore features {dataset} --overwrite`"
        )
    return reference


def evaluate(
    run: Run,
    device: torch.device,
    samples: int | None = None,
    seed: int = 0,
    changes: dict[str, object] | None = None,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Measure `run`, write results.json and samples.png, and return what was measured.

    `samples` is SAMPLES where not given, fewer for a small test split. `changes` as in `load_model` (another sampler,
    say). Raises MissingFeaturesError, CheckpointError, DataError.
    """
    config = run.config()
    folder = run.results.parent.parent
    model, checkpoint = load_model(run, device, changes=changes)
    extractor = load_extractor(config.data.dataset, device, folder)
    reference, ladder = load_reference(config.data.dataset, extractor, folder), load_selftest(config.data.dataset, extractor, folder)
    test, train = (load_data(config.data.dataset, split, data_folder).to(device) for split in ("test", "train"))
    dtype = devices.precision(config.training.precision, device)

    samples = samples or min(SAMPLES, SAMPLES_PER_TEST_IMAGE * len(test.images))
    say(f"drawing {samples} images: {model.sampling}")
    asked = _like_training(train, samples, seed)
    images = generate(model, samples, asked if model.conditional else None, seed, dtype)
    say("features")
    drawn, classes = extractor(images), len(test.spec.class_names)
    say("distances")
    panel = Panel.of(extractor, test)
    metrics = _image_metrics(panel, images, drawn, reference, ladder, seed)
    confusion = confusion_matrix(asked, drawn.predicted, classes) if model.conditional else None
    metrics |= _label_metrics(drawn, asked, confusion, reference, classes)
    say("nearest training images")
    metrics |= _memorisation_metrics(drawn.features, extractor(train.images).features, panel.real.features, seed)
    if isinstance(model, Reconstructs):
        metrics |= _reconstruction_metrics(model, test.images, dtype)
    say("speed")
    metrics |= _speed_metrics(model, dtype)
    training_origin, training_metrics = _training_metrics(run, config, model)
    words = ["evaluate", run.name, "--samples", str(samples), "--seed", str(seed)]
    words += [f"--{_FLAGS[name]}={value}" for name, value in (changes or {}).items()]
    found = Results(
        run=run.name,
        label=config.label,
        dataset=config.data.dataset,
        seed=config.training.seed,
        origins={"evaluation": devices.origin_here(device, words), "training": training_origin},
        checkpoint_digest=checkpoint.digest,
        extractor=extractor.name,
        extractor_digest=extractor.digest,
        reference=f"test split of {test.spec.title}, {len(test.images)} images; the extractor shares its training split with the model",
        sampler=model.sampling,
        metrics=metrics | training_metrics,
        class_names=list(test.spec.class_names),
        class_shares=class_shares(drawn.predicted, classes).tolist(),
        confusion=None if confusion is None else confusion.tolist(),
    )
    write_atomically(run.results / "samples.png", draw_sheet(model, config.training.seed, dtype))
    results.save(run.results_path, found)
    return found


def _like_training(train: ImageData, n: int, seed: int) -> Tensor:
    """n labels drawn as often as the training split holds them: (n,) int64."""
    rng = Generator(train.labels.device).manual_seed(seed)
    return train.labels[torch.randint(len(train.labels), (n,), generator=rng, device=train.labels.device)]


def _image_metrics(
    panel: Panel, images: Tensor, drawn: Extracted, reference: Reference, ladder: SelfTest | None, seed: int
) -> dict[str, Metric]:
    """What needs no labels, beside its floor and what it is blind to; floors come from more draws where there are."""
    if not bool(drawn.features.isfinite().all()):
        raise ValueError("the generated images have features that are not finite; the model's weights are broken")
    samples = len(images)
    few = panel.warning(samples)
    floors, blind = {name: floor.value for name, floor in reference.floors.items()}, {}
    if ladder:
        floors = {name: statistics.fmean(seen.real) for name, seen in ladder.metrics.items()} | floors
        blind = {name: [rung for rung in seen.rungs if rung not in seen.sees] for name, seen in ladder.metrics.items()}
    metrics = {
        name: Metric(value=value, floor=floors.get(name), samples=samples, warning=few, blind_to=blind.get(name, []))
        for name, value in panel(images, drawn, seed).items()
    }
    metrics["fd_of_noise"] = Metric(value=reference.fd_of_noise, samples=len(panel.real.features), warning=few)
    if min(samples, len(panel.real.features)) >= FEWEST_TO_EXTRAPOLATE:
        endless = fd_infinity(drawn.features, panel.real.features, Generator(images.device).manual_seed(seed))
        metrics["fd_infinity"] = Metric(value=endless.value, samples=samples, warning=endless.warning)
    return metrics


def _label_metrics(
    drawn: Extracted, asked: Tensor, confusion: Tensor | None, reference: Reference, classes: int
) -> dict[str, Metric]:
    """Variety within classes (asked for, else recognised), and whether what was asked for came."""
    by_class = asked if confusion is not None else drawn.predicted
    ratios = within_class_variance(drawn.features, by_class, classes).cpu() / torch.tensor(reference.within_class_variance)
    variance = {
        "within_class_variance": Metric(value=float(ratios.mean()), unit="of real", samples=len(by_class)),
        "worst_within_class_variance": Metric(value=float(ratios.min()), unit="of real", samples=len(by_class)),
    }
    if confusion is None:
        return variance | {
            name: Metric(value=None, reason=NO_LABELS) for name in ("conditional_accuracy", "worst_class_accuracy")
        }
    accuracy = conditional_accuracy(confusion)
    return variance | {
        "conditional_accuracy": Metric(value=accuracy.mean, floor=reference.test_accuracy, samples=len(by_class)),
        "worst_class_accuracy": Metric(value=accuracy.worst, samples=len(by_class)),
    }


def _memorisation_metrics(drawn: Tensor, train: Tensor, held_out: Tensor, seed: int) -> dict[str, Metric]:
    """Whether samples are copies: a flag beside the same figure of test images, not part of any score."""
    rng = Generator(drawn.device).manual_seed(seed)
    few, real = (
        features[torch.randperm(len(features), generator=rng, device=features.device)[:NEIGHBOURS_SOUGHT]]
        for features in (drawn, held_out)
    )
    found = memorisation(few, train, real)
    return {
        "authentic_share": Metric(value=found.authentic, floor=found.held_out_authentic, samples=len(few)),
        "train_distance_ratio": Metric(value=found.distance_ratio, floor=1.0, unit="of test images", samples=len(few)),
    }


@torch.no_grad()
def _reconstruction_metrics(model: Reconstructs, images: Tensor, dtype: torch.dtype) -> dict[str, Metric]:
    """How well the model gives the test split back, on the scale 0 to 1."""
    with devices.autocast(images.device, dtype):
        given_back = torch.cat([model.reconstruct(dequantise(chunk)) for chunk in images.split(1000)])
    x, x_hat = images.float() / 255, ((given_back + 1) / 2).clamp(0, 1)
    figures = {"reconstruction_mse": mse(x_hat, x), "reconstruction_psnr": psnr(x_hat, x), "reconstruction_ssim": ssim(x_hat, x)}
    units = {"reconstruction_psnr": "dB"}
    return {name: Metric(value=value, unit=units.get(name, ""), samples=len(x)) for name, value in figures.items()}


def _speed_metrics(model: GenerativeModel, dtype: torch.dtype) -> dict[str, Metric]:
    """Images a second by batch size: median of repetitions after a warm-up, synchronised."""
    metrics = {}
    for n in TIMED_BATCHES:
        labels = torch.arange(n, device=model.device) % len(model.spec.class_names) if model.conditional else None
        rates = []
        for repeat in range(_TIMED_REPEATS + 1):
            devices.synchronise(model.device)
            start = time.perf_counter()
            generate(model, n, labels, repeat, dtype, batch_size=n)
            devices.synchronise(model.device)
            rates.append(n / (time.perf_counter() - start))
        low, median, high = statistics.quantiles(rates[1:], n=4)
        metrics[f"samples_per_second_{n}"] = Metric(value=median, spread=high - low, unit="images/s", samples=n)
    return metrics


def _training_metrics(run: Run, config: RunConfig, model: GenerativeModel) -> tuple[Origin, dict[str, Metric]]:
    """What the event log says of the training: where it ran, how long it took."""
    history = events.without_void(events.tail(run.events_path).events)
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
    )
    in_training = {"measured_in": "training"}
    unknown = {"value": None, "reason": "the event log has no figures yet"}
    peak = {"value": latest.peak_memory_mib} if isinstance(latest, events.Ended) else {"value": None, "reason": "training has not ended"}
    metrics = {
        "training_seconds": Metric(**in_training, unit="s", **({"value": latest.seconds} if latest else unknown)),
        "peak_memory_mib": Metric(**in_training, unit="MiB", **peak),
        "parameters": Metric(value=float(sum(p.numel() for p in model.parameters())), unit="trained in all"),
        "sampling_parameters": Metric(value=float(sum(p.numel() for p in model.averaged.parameters())), unit="used to sample"),
    }
    return origin, metrics
