"""The points of a study: which levels its axes take together, and the options that they set.

A range becomes values of its option's kind: whole numbers, multiples. Loads no torch.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import get_args

from annotated_types import MultipleOf
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from gencore.config import commands
from gencore.config.options import RunConfig
from gencore.store.results import explain
from gencore.studies.study import Axis, Level, Study

ABLATED = "change"
"""The one axis of an ablation."""
UNCHANGED = "base"
"""Its level without a change."""
_OF_THE_STUDY = {"seed": "seeds", "dataset": "base.dataset"}
_MOST_CORNERS = 4096
_MOST_DRAWS = 100  # for each point that is wanted


@dataclass(frozen=True)
class Point:
    """A level for each axis, and the options that these levels set."""

    levels: Mapping[str, Level]
    options: Mapping[str, Level]

    @property
    def title(self) -> str:
        """As `beta1 0.5, depth 2`."""
        return title_of(self.levels)


def title_of(levels: Mapping[str, Level]) -> str:
    """A point in words, as `beta1 0.5, depth 2`."""
    return ", ".join(f"{axis} {shown(level)}" for axis, level in levels.items())


def shown(level: Level) -> str:
    """A level in words."""
    if level is None:
        return "none"
    if isinstance(level, bool):
        return "on" if level else "off"
    return f"{level:.6g}" if isinstance(level, float) else str(level)


def options_of(config: RunConfig) -> dict[str, commands.Option]:
    """The options of a config that a study may change, by name."""
    return {option.name: option for option in commands.options(config)}


def refuse_unknown(study: Study, config: RunConfig) -> None:
    """Raises ValueError for an option that `config` has not, with those that look alike."""
    asked = [("base", name) for name in study.base.options]
    for title, changes in study.ablation.items():
        asked += [(f"ablation {title}", name) for name in changes]
    for title, axis in study.axes.items():
        asked += [(f"axis {title}", name) for name in _named(title, axis)]
    known = options_of(config)
    for place, name in asked:
        if name in _OF_THE_STUDY:
            raise ValueError(f"{place}: {name} is set by {_OF_THE_STUDY[name]} of the study")
        if name not in known:
            alike = get_close_matches(name, known, n=3, cutoff=0.6)
            advice = f"perhaps {', '.join(alike)}" if alike else f"options: {', '.join(known)}"
            raise ValueError(f"{place}: a {config.label} has no option {name}; {advice}")


def _named(title: str, axis: Axis) -> list[str]:
    """The options that an axis sets."""
    if axis.levels is not None:
        return [name for changes in axis.levels.values() for name in changes]
    return [*axis.options] or [title]


def points_before(study: Study, config: RunConfig) -> list[Point] | None:
    """All points of `study`, where they are known before its first training; None for TPE.

    Raises ValueError where axes have fewer combinations than a random search is to draw."""
    if study.ablation:
        unchanged: dict[str, Level] = {}
        changes = {UNCHANGED: unchanged} | study.ablation
        return [Point({ABLATED: title}, options) for title, options in changes.items()]
    if study.search.method == "grid":
        return list(_grid(study, config))
    return _draws(study, config) if study.search.method == "random" else None


def point(study: Study, config: RunConfig, levels: Mapping[str, Level]) -> Point:
    """The point at `levels`, where a range's value is made one of its option's kind."""
    taken: dict[str, Level] = {}
    options: dict[str, Level] = {}
    for title, axis in study.axes.items():
        level = levels[title]
        if axis.levels is not None:
            options |= axis.levels[str(level)]
        else:
            names = _named(title, axis)
            level = _snapped(options_of(config)[names[0]].field, level) if axis.is_range else level
            options |= dict.fromkeys(names, level)
        taken[title] = level
    return Point(taken, options)


def corners(study: Study, config: RunConfig) -> Iterator[Point]:
    """Combinations of listed levels and ends of ranges, at most 4,096: what a search may come across."""
    levels = [
        [axis.lower, axis.upper] if axis.is_range else levels_of(config, title, axis)
        for title, axis in study.axes.items()
    ]
    for chosen in itertools.islice(itertools.product(*levels), _MOST_CORNERS):
        yield point(study, config, dict(zip(study.axes, chosen, strict=True)))


def _grid(study: Study, config: RunConfig) -> Iterator[Point]:
    levels = [levels_of(config, title, axis) for title, axis in study.axes.items()]
    for chosen in itertools.product(*levels):
        yield point(study, config, dict(zip(study.axes, chosen, strict=True)))


def levels_of(config: RunConfig, title: str, axis: Axis) -> list[Level]:
    """The levels of an axis that is listed, or those of a range in a grid, as the option takes them.

    Raises ValueError for a value that the option does not take, and for one listed twice."""
    if axis.levels is not None:
        return [*axis.levels]
    field = options_of(config)[_named(title, axis)[0]].field
    if axis.values is None:
        assert axis.number is not None
        return [at(axis, place / (axis.number - 1)) for place in range(axis.number)]
    adapter: TypeAdapter[Level] = TypeAdapter(field.rebuild_annotation())
    try:
        values = [adapter.validate_python(value) for value in axis.values]
    except ValidationError as error:
        raise ValueError(f"axis {title}: {explain(error)}") from error
    if repeated := [shown(one) for one in dict.fromkeys(values) if values.count(one) > 1]:
        raise ValueError(f"axis {title} lists {', '.join(repeated)} more than once")
    return values


def at(axis: Axis, share: float) -> float:
    """The value of a range at `share` of its way from lower (0) to upper (1), on its scale."""
    assert axis.lower is not None and axis.upper is not None
    if axis.scale == "log":
        value = math.exp(math.log(axis.lower) + share * math.log(axis.upper / axis.lower))
    else:
        value = axis.lower + share * (axis.upper - axis.lower)
    return min(axis.upper, max(axis.lower, float(f"{value:.6g}")))


def _draws(study: Study, config: RunConfig) -> list[Point]:
    """Independent draws, no two alike; the same for the same seed."""
    wanted, rng = study.search.points, random.Random(study.search.seed)
    assert wanted is not None
    found: dict[str, Point] = {}
    for _ in range(_MOST_DRAWS * wanted):
        levels: dict[str, Level] = {
            title: at(axis, rng.random()) if axis.is_range else rng.choice(levels_of(config, title, axis))
            for title, axis in study.axes.items()
        }
        drawn = point(study, config, levels)
        found.setdefault(drawn.title, drawn)
        if len(found) == wanted:
            return [*found.values()]
    raise ValueError(
        f"the axes have only {len(found)} combinations, fewer than {wanted} points; lower points, or search "
        "by grid"
    )


def _snapped(field: FieldInfo, value: Level) -> Level:
    """A number of a range as the option takes it: a whole one, a multiple."""
    assert isinstance(value, int | float)
    kinds = get_args(field.annotation) or (field.annotation,)
    if int not in kinds:
        return value
    step = next((int(str(one.multiple_of)) for one in field.metadata if isinstance(one, MultipleOf)), 1)
    return step * round(value / step)
