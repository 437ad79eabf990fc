"""One colour a variant, everywhere, from the table of families; models of one variant differ in more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gencore.config.families import variants

COLOURS = {variant.label: variant.colour for variant in variants("generation", "translation")}
"""#RRGGBB by label, of Okabe & Ito's palette, which is readable on light and on dark pages."""
OTHER = "#8A8F98"
MOST_PALE = 0.5
"""Share of grey in the palest colour of a variant; more would hide which variant it is."""


def colour(label: str) -> str:
    """The colour of the model called `label` as #RRGGBB; grey for a name that the table does not have."""
    return COLOURS.get(label, OTHER)


@dataclass(frozen=True)
class Appearance:
    """What tells a model from the others that are shown with it."""

    name: str
    """Its label; where several models have that label, with the name of a run on its data set."""
    colour: str
    """#RRGGBB, its variant's; paler for each further model of that variant."""
    place: int
    """Its number among the shown models of its variant, from 0, which dashes and markers follow."""


def appearances(labels: Mapping[str, str], dataset: str) -> dict[str, Appearance]:
    """How models on `dataset` look that are shown together: of {run: label} by run, in that order."""
    colours, frequency, short = run_colours(labels), Counter(labels.values()), _short(labels, dataset)
    seen: Counter[str] = Counter()
    found = {}
    for run, label in labels.items():
        name = label if frequency[label] == 1 else f"{label} · {short[run]}"
        found[run] = Appearance(name, colours[run], seen[label])
        seen[label] += 1
    return found


def _short(runs: Iterable[str], dataset: str) -> dict[str, str]:
    """The names of `runs` without their data set's, unless two would be the same."""
    short = {run: run.removeprefix(f"{dataset}-") for run in runs}
    return short if len(set(short.values())) == len(short) else {run: run for run in short}


def run_colours(labels: Mapping[str, str]) -> dict[str, str]:
    """A colour for each run of {run: label}: its model's, paler for each further run of the same model."""
    seen: dict[str, int] = {}
    colours = {}
    for run, label in labels.items():
        colours[run] = _paler(colour(label), 0.2 * seen.get(label, 0))
        seen[label] = seen.get(label, 0) + 1
    return colours


def _paler(hexadecimal: str, share: float) -> str:
    grey = np.array([176, 180, 188])
    rgb = np.array([int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5)])
    mixed = rgb + min(share, MOST_PALE) * (grey - rgb)
    return "#" + "".join(f"{round(part):02X}" for part in mixed)
