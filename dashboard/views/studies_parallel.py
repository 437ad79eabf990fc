"""A study as parallel coordinates: an axis an option, the last one the objective; a line an ended trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dashboard.components.parallel_coordinates import Axis, Line, Tick
from dashboard.views.studies_words import objective_title
from dashboard.widgets.text import figure
from gencore.studies.points import shown, title_of
from gencore.studies.records import TrialState
from gencore.studies.study import Level, Study

BEST, OTHERS = "#D55E00", "#9AA5B1"
"""Of lines: vermilion is readable beside grey on light and on dark pages, and for the colour-blind."""
SHARE_OF_BEST = 0.1
"""So many of the finished trials are drawn in BEST, from one on."""
LOST = "no model"
_MOST_LEVELS, _TEXTS = 7, 5
_LOST_PLACE, _WORST_PLACE = 0.0, 0.12
_SPREAD = 0.04
"""Of an axis, over which lines through one level are spread: those of a grid would hide each other."""


class Coordinates(NamedTuple):
    """Axes, and the lines over them."""

    axes: list[Axis]
    lines: list[Line]


class _Places(NamedTuple):
    """An axis, and where each trial crosses it."""

    axis: Axis
    places: list[float]


def coordinates(study: Study, states: Sequence[TrialState]) -> Coordinates | None:
    """Options, seed, epochs trained where some were cut, and the objective, of all trials that have ended.

    None where fewer than two have. A trial without a value is at the tick *no model*."""
    ended = [one for one in states if one.value is not None or one.is_lost]
    if len(ended) < 2:
        return None
    titles = list(dict.fromkeys(axis for one in ended for axis in one.trial.point))
    found = [_levels(title, [one.trial.point[title] for one in ended]) for title in titles]
    if len({one.trial.seed for one in ended}) > 1:
        found.append(_levels("seed", [one.trial.seed for one in ended]))
    if any(one.status == "cut" for one in ended):
        found.append(_scale("epochs", [one.epoch for one in ended], is_log=False))
    found.append(_objective(study, ended))
    best = {one.trial.name for one in best_trials(study, ended)}
    lines = [
        Line(
            f"{one.trial.name}: {title_of(one.trial.point)}, seed {one.trial.seed}, {one.status}, "
            f"{LOST if one.value is None else figure(one.value)}",
            f"live?run={one.trial.name}",
            tuple(axis.places[number] for axis in found),
            one.trial.name in best,
        )
        for number, one in enumerate(ended)
    ]
    return Coordinates([one.axis for one in found], sorted(lines, key=lambda line: line.is_best))


def best_trials(study: Study, states: Sequence[TrialState]) -> list[TrialState]:
    """The best tenth of the finished trials, at least one where there is one; the best first."""
    done = [one for one in states if one.status == "finished" and one.value is not None]
    ordered = sorted(done, key=lambda one: one.value or 0.0, reverse=not study.is_smaller_better)
    return ordered[: max(1, round(SHARE_OF_BEST * len(ordered)))]


def _levels(title: str, levels: Sequence[Level]) -> _Places:
    """Numbers on their own scale where they are many, else levels at even distances with a tick each."""
    distinct = list(dict.fromkeys(levels))
    numbers = [one for one in distinct if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) == len(distinct):
        numbers.sort()
        if len(numbers) > _MOST_LEVELS:
            is_log = numbers[0] > 0 and numbers[-1] / numbers[0] > 50
            return _scale(title, [float(str(one)) for one in levels], is_log)
        distinct = [*numbers]
    margin = _SPREAD / 2
    last = max(1, len(distinct) - 1)
    places = {level: margin + (1 - 2 * margin) * place / last for place, level in enumerate(distinct)}
    golden = (math.sqrt(5) - 1) / 2  # its multiples are spread evenly, however many lines there are
    spread = [_SPREAD * (number * golden % 1 - 0.5) for number in range(len(levels))]
    axis = Axis(title, tuple(Tick(place, shown(level)) for level, place in places.items()))
    return _Places(axis, [places[level] + aside for level, aside in zip(levels, spread, strict=True)])


def _scale(
    title: str, values: Sequence[float], is_log: bool, foot: float = 0.0, is_reversed: bool = False
) -> _Places:
    """Numbers from the place `foot` to the top; the smallest on top where it `is_reversed`."""
    on_scale = [math.log(value) if is_log else value for value in values]
    low, high = min(on_scale), max(on_scale)

    def place(share: float) -> float:
        return foot + (1 - foot) * (1 - share if is_reversed else share)

    steps = [step / (_TEXTS - 1) for step in range(_TEXTS)] if high > low else [0.5]
    ends = [low + (high - low) * step for step in steps]
    texts = [figure(math.exp(end) if is_log else end, 2) for end in ends]
    axis = Axis(title, tuple(Tick(place(step), text) for step, text in zip(steps, texts, strict=True)))
    shares = [(value - low) / (high - low) if high > low else 0.5 for value in on_scale]
    return _Places(axis, [place(share) for share in shares])


def _objective(study: Study, ended: Sequence[TrialState]) -> _Places:
    """The objective, on a log scale for distances, the better end on top; what has no value at the foot."""
    title = objective_title(study)
    known = [one.value for one in ended if one.value is not None]
    if not known:
        return _Places(Axis(title, (Tick(_LOST_PLACE, LOST),)), [_LOST_PLACE] * len(ended))
    is_log = study.is_on_log_scale and min(known) > 0
    has_lost = len(known) < len(ended)
    found = _scale(title, known, is_log, _WORST_PLACE if has_lost else 0.0, study.is_smaller_better)
    if not has_lost:
        return found
    given = iter(found.places)
    places = [_LOST_PLACE if one.value is None else next(given) for one in ended]
    return _Places(Axis(title, (*found.axis.ticks, Tick(_LOST_PLACE, LOST))), places)
