"""From metrics to four scores between 0 and 1, by absolute anchors: independent of which models are compared.

A part that was not measured is named with the reason and has no default. A score needs all parts that define
it. docs/scores.md has the formulas.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from gencore.metrics.scale import geometric_mean, log_score
from gencore.store.results import Origin, Results

SCORES = ("quality", "stability", "controllability", "efficiency")
ZONES = {"elite": 0.8, "excellent": 0.6, "good": 0.4}
"""A model is in a zone when every one of its scores reaches the bound."""
SEEDS_FOR_STABILITY = 3
LARGEST_SPREAD = 0.25  # standard deviation of realism over seeds that scores 0
SPIKE_WEIGHT = 20.0  # spikes in a twentieth of the steps score 0
VARIANCE = (0.5, 0.1)  # of a class, as a share of its real one: good, and one repeated image
COPYING = 0.9  # novelty below this is more than chance over the images looked at
LEAST_QUALITY = 0.3  # for efficiency: below it, a model that learns nothing would win
TRAINING_SECONDS = (10.0, 36_000.0)  # good, bad
SAMPLE_SECONDS = (1e-5, 1.0)
MEMORY_MIB = (10.0, 16_384.0)


class Score(BaseModel):
    """One score of a model, what it is made of, and what is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float | None
    parts: dict[str, float] = Field({}, description="Means over the training seeds, each in [0, 1].")
    missing: dict[str, str] = Field({}, description="Why a part is not known.")
    note: str = ""


def scores(of_one_model: Sequence[Results], diverged: int = 0, unlike: str = "") -> dict[str, Score]:
    """The four scores of one model from its training seeds, one result each, by the names in SCORES.

    `diverged` is the number of further seeds without a result, because their training diverged. `unlike` says
    why its cost cannot be compared with that of others (see `unlike_machines`), so that efficiency is absent.
    Raises ValueError if there are no results, results of several models, or two results of one seed.
    """
    if (
        not of_one_model
        or len({one.label for one in of_one_model}) > 1
        or len({one.seed for one in of_one_model}) < len(of_one_model)
    ):
        got = ", ".join(f"{one.label} with seed {one.seed}" for one in of_one_model) or "nothing"
        raise ValueError(f"scores are of one model, one result a training seed; got {got}")
    return {
        "quality": _over_seeds(of_one_model, _quality),
        "stability": _stability(of_one_model, diverged),
        "controllability": _over_seeds(of_one_model, _controllability),
        "efficiency": Score(value=None, missing={"machines": f"not compared: {unlike}"})
        if unlike
        else _over_seeds(of_one_model, _efficiency),
    }


def score_of_seed(name: str, one: Results) -> float | None:
    """The score `name` of a single training; None where absent, and for stability, which needs all seeds."""
    of_one = {"quality": _quality, "controllability": _controllability, "efficiency": _efficiency}
    return of_one[name](one).value if name in of_one else None


def quality_parts(results: Results) -> dict[str, float]:
    """The parts of image quality that `results` allows, each in [0, 1]; what was not measured is absent.

    realism: fd over its floor on a log scale from a 3 x 3 blur to real images, mean over extractors;
    fidelity: precision over its floor; variety: recall over its floor; coverage: coverage over its floor;
    balance: 1 - total variation to the real class shares; novelty: the authentic share over that of held-out
    images.
    """
    parts: dict[str, float] = {}
    realism = _realism(results)
    if not isinstance(realism, str):
        parts["realism"] = realism
    for part, name in _SHARES_OF_FLOOR.items():
        if (share := _of_floor(results, name)) is not None:
            parts[part] = min(1.0, share)
    variation = results.value("class_total_variation")
    if variation is not None:
        parts["balance"] = 1.0 - min(1.0, variation)
    return parts


def soundness(results: Results) -> float | None:
    """How far a training ended from collapse, 0 to 1: by the class whose images vary least; 0 where it
    diverged, None where that is not known.
    """
    variance, finite = results.value("worst_within_class_variance"), results.value("training_finite")
    if finite == 0 or variance == 0:
        return 0.0
    if variance is None or finite is None:
        return None
    good, bad = VARIANCE
    return min(1.0, max(0.0, (variance - bad) / (good - bad)))


def overall(of_model: Mapping[str, Score], weights: Mapping[str, float]) -> float | None:
    """The weighted arithmetic mean of the scores; None where one with a weight is absent.

    Arithmetic, so that the influence of a score goes to 0 with its weight; in a geometric mean any weight on
    a score of 0 makes the mean 0. Raises ValueError on weights that are not of SCORES, negative, or all 0.
    """
    if (
        not set(weights) <= set(SCORES)
        or any(not 0 <= w < math.inf for w in weights.values())
        or not any(weights.values())
    ):
        raise ValueError(
            f"weights are {dict(weights)}; give numbers of 0 or more, not all 0, to any of"
            f" {', '.join(SCORES)}"
        )
    total, value = sum(weights.values()), 0.0
    for name, weight in weights.items():
        if weight:
            score = of_model[name].value
            if score is None:
                return None
            value += weight / total * score
    return value


def first_places(
    models: Mapping[str, Mapping[str, Score]], draws: int = 10_000, seed: int = 0
) -> dict[str, float]:
    """Share of random weightings, uniform on the simplex of SCORES, under which each model is first overall.

    Models with equal totals share the place. A model that lacks a score is left out: it has no overall score.
    """
    values = {label: [of[name].value for name in SCORES] for label, of in models.items()}
    complete = {
        label: known
        for label, found in values.items()
        if len(known := [value for value in found if value is not None]) == len(found)
    }
    rng, shares = random.Random(seed), dict.fromkeys(complete, 0.0)
    for _ in range(draws if complete else 0):
        weights = [rng.expovariate(1.0) for _ in SCORES]  # uniform on the simplex once divided by their sum
        totals = {
            label: sum(weight * value for weight, value in zip(weights, found, strict=True))
            for label, found in complete.items()
        }
        best = max(totals.values())
        first = [label for label, total in totals.items() if total == best]
        for label in first:
            shares[label] += 1 / (len(first) * draws)
    return shares


def unlike_machines(every: Sequence[Results]) -> str:
    """On which different devices, or numbers of threads, these were trained or timed; empty where on one."""
    trained = [one.origins["training"] for one in every if "training" in one.origins]
    for done, origins in (("trained", trained), ("timed", [*filter(None, map(_timed, every))])):
        found = {
            f"{origin.device} ({origin.threads} thread{'s'[: origin.threads > 1]})" for origin in origins
        }
        if len(found) > 1:
            return f"{done} on {' and on '.join(sorted(found))}"
    return ""


def _timed(one: Results) -> Origin | None:
    """Where its sampling was timed; None where it was not."""
    rates = [metric for name, metric in one.metrics.items() if name.startswith(_RATE)]
    return next((one.origins.get(rate.measured_in) for rate in rates if rate.value is not None), None)


def distance_to_ideal(point: tuple[float, ...]) -> float:
    """Euclidean distance to (1, …, 1); smaller is better."""
    return math.dist(point, (1.0,) * len(point))


def zone(point: tuple[float, ...]) -> str:
    """The best zone whose bound every coordinate reaches, or `developing`."""
    return next((name for name, bound in ZONES.items() if min(point) >= bound), "developing")


_SHARES_OF_FLOOR = {
    "fidelity": "precision",
    "variety": "recall",
    "coverage": "coverage",
    "novelty": "authentic_share",
}
_RATE = "samples_per_second_"
_Part = float | str  # what it is, or why it is not known


def _quality(one: Results) -> Score:
    """Novelty times the geometric mean of the other parts: copies of training images are worth nothing."""
    made_of = {**_SHARES_OF_FLOOR, "balance": "class_total_variation"}
    known = quality_parts(one)
    parts = {part: known.get(part, _why_absent(one, name)) for part, name in made_of.items()}
    parts = {"realism": _realism(one)} | parts
    found = _score(parts)
    if found.value is None:
        return found
    novelty = known["novelty"]
    value = novelty * geometric_mean([part for name, part in known.items() if name != "novelty"])
    share = one.metrics["authentic_share"]
    note = ""
    if novelty < COPYING:
        note = (
            f"copies training images: {share.value:.0%} of its images are authentic,"
            f" {share.floor:.0%} of unseen real ones"
        )
    return found.model_copy(update={"value": value, "note": note})


def _realism(one: Results) -> _Part:
    """s(fd ÷ floor; 1, that of a blur), mean over the feature extractors."""
    fd, blur = one.metrics.get("fd_over_floor"), one.metrics.get("blur_over_floor")
    if not (fd and blur and fd.by_extractor and fd.by_extractor.keys() == blur.by_extractor.keys()):
        return _why_absent(one, "fd_over_floor", "blur_over_floor")
    if min(blur.by_extractor.values()) <= 1:
        return "so few images lie no nearer to real ones than a blur does; measure more"
    return statistics.fmean(
        log_score(max(over_floor, 1.0), good=1.0, bad=blur.by_extractor[name])
        for name, over_floor in fd.by_extractor.items()
    )


def _controllability(one: Results) -> Score:
    """Hits on a scale from chance to real images, and coverage divided by its floor.

    Hits of real images are control_real_accuracy, else the floor of the hits. The means of steering is the
    unit of control_hit_rate ("by the label").
    """
    hits, chance, real = (one.value(f"control_{name}") for name in ("hit_rate", "chance", "real_accuracy"))
    share, rate = _of_floor(one, "control_coverage"), one.metrics.get("control_hit_rate")
    if real is None and rate:
        real = rate.floor
    parts: dict[str, _Part] = {
        "hits": _why_absent(one, "control_hit_rate", "control_chance", "control_real_accuracy"),
        "coverage": _why_absent(one, "control_coverage") if share is None else min(1.0, share),
    }
    if hits is not None and chance is not None and real is not None:
        if real > chance:
            parts["hits"] = min(1.0, max(0.0, (hits - chance) / (real - chance)))
        else:
            parts["hits"] = f"the classifier recognises real images no better than chance ({real:.2g})"
    return _score(parts, note=rate.unit if rate else "")


def _efficiency(one: Results) -> Score:
    seconds, memory, rate = (
        one.value("seconds_to_blur"),
        one.value("peak_memory_mib"),
        _largest_batch_rate(one),
    )
    parts: dict[str, _Part] = {
        "training": _why_absent(one, "seconds_to_blur")
        if seconds is None
        else log_score(seconds, *TRAINING_SECONDS),
        "sampling": _why_absent(one, "samples_per_second_1000")
        if rate is None
        else log_score(1 / rate, *SAMPLE_SECONDS),
        "memory": _why_absent(one, "peak_memory_mib") if memory is None else log_score(memory, *MEMORY_MIB),
    }
    quality = _quality(one).value
    if quality is None:
        parts["quality"] = "quality is not known"
    elif quality < LEAST_QUALITY:
        parts["quality"] = f"quality is {quality:.2g}; efficiency needs {LEAST_QUALITY:g} or more"
    return _score(parts)


def _stability(of_one_model: Sequence[Results], diverged: int) -> Score:
    """(Mean soundness of the seeds, 0 for diverged ones) x geometric mean of the other parts."""
    seeds = len(of_one_model) + diverged
    if seeds < SEEDS_FOR_STABILITY:
        return Score(value=None, missing={"seeds": f"needs {SEEDS_FOR_STABILITY} seeds; there are {seeds}"})
    sound = _mean_or_reason(of_one_model, soundness, "worst_within_class_variance", "training_finite")
    found = _score(
        {
            "sound_seeds": sound if isinstance(sound, str) else sound * len(of_one_model) / seeds,
            "seed_spread": _seed_spread(of_one_model),
            "fd_last_over_best": _mean_or_reason(
                of_one_model, lambda one: one.value("fd_last_over_best"), "fd_last_over_best"
            ),
            "gradient_calm": _mean_or_reason(of_one_model, _gradient_calm, "gradient_spike_share"),
        }
    )
    if found.value is None:
        return found
    rest = geometric_mean([part for name, part in found.parts.items() if name != "sound_seeds"])
    return found.model_copy(update={"value": found.parts["sound_seeds"] * rest})


def _gradient_calm(one: Results) -> float | None:
    share = one.value("gradient_spike_share")
    return None if share is None else max(0.0, 1 - SPIKE_WEIGHT * share)


def _seed_spread(of_one_model: Sequence[Results]) -> _Part:
    """1 - min(1, standard deviation of s(fd) over seeds / LARGEST_SPREAD)."""
    if len(of_one_model) < 2:
        return "one seed finished; a spread needs two"
    realism: list[float] = []
    for one in of_one_model:
        part = _realism(one)
        if isinstance(part, str):
            return part
        realism.append(part)
    return 1 - min(1.0, statistics.stdev(realism) / LARGEST_SPREAD)


def _mean_or_reason(
    of_one_model: Sequence[Results], part: Callable[[Results], float | None], *needs: str
) -> _Part:
    """The mean of `part` over seeds, or why the first seed without it has none."""
    values = []
    for one in of_one_model:
        value = part(one)
        if value is None:
            return _why_absent(one, *needs)
        values.append(value)
    return statistics.fmean(values)


def _over_seeds(of_one_model: Sequence[Results], score_of: Callable[[Results], Score]) -> Score:
    """Means over seeds; absent as soon as one seed lacks it."""
    each = [score_of(one) for one in of_one_model]
    missing = {name: reason for score in reversed(each) for name, reason in score.missing.items()}
    values = [score.value for score in each if score.value is not None]
    return Score(
        value=None if missing else statistics.fmean(values),
        parts={
            name: statistics.fmean(score.parts[name] for score in each)
            for name in each[0].parts
            if name not in missing
        },
        missing=missing,
        note=", ".join(dict.fromkeys(score.note for score in each if score.note)),
    )


def _score(parts: Mapping[str, _Part], note: str = "") -> Score:
    """The geometric mean of `parts`; absent where one is."""
    known, missing = _sorted_out(parts)
    return Score(
        value=None if missing else geometric_mean([*known.values()]), parts=known, missing=missing, note=note
    )


def _sorted_out(parts: Mapping[str, _Part]) -> tuple[dict[str, float], dict[str, str]]:
    known = {name: part for name, part in parts.items() if not isinstance(part, str)}
    return known, {name: part for name, part in parts.items() if isinstance(part, str)}


def _why_absent(one: Results, *names: str) -> str:
    """Why the first of these metrics that has no value, or else no floor, cannot be used."""
    for name in names:
        metric = one.metrics.get(name)
        if metric is None:
            return f"{name} not measured; `gencore evaluate RUN`"
        if metric.value is None:
            return metric.reason or ""
    return f"{names[0]} has no floor; `gencore evaluate RUN`"


def _of_floor(one: Results, name: str) -> float | None:
    """The metric's value divided by its floor."""
    metric = one.metrics.get(name)
    return metric.over_floor if metric else None


def _largest_batch_rate(one: Results) -> float | None:
    """Samples a second at the largest batch that was measured."""
    rates = {
        int(name.removeprefix(_RATE)): metric.value
        for name, metric in one.metrics.items()
        if name.startswith(_RATE)
    }
    return next((rate for _, rate in sorted(rates.items(), reverse=True) if rate), None)
