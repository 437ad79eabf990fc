"""One colour a model, everywhere: from the table of families."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gencore.config.families import variants

COLOURS = {variant.label: variant.colour for variant in variants()}
"""#RRGGBB by label, of Okabe & Ito's palette, which is readable on light and on dark pages."""
OTHER = "#8A8F98"


def colour(label: str) -> str:
    """The colour of the model called `label` as #RRGGBB; grey for a name that the table does not have."""
    return COLOURS.get(label, OTHER)


def run_colours(labels: Mapping[str, str]) -> dict[str, str]:
    """A colour for each run of {run: label}: its model's, paler for each further run of the same model."""
    seen: dict[str, int] = {}
    colours = {}
    for run, label in labels.items():
        colours[run] = _paler(colour(label), 0.4 * seen.get(label, 0))
        seen[label] = seen.get(label, 0) + 1
    return colours


def _paler(hexadecimal: str, share: float) -> str:
    grey = np.array([176, 180, 188])
    rgb = np.array([int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5)])
    mixed = rgb + min(share, 0.8) * (grey - rgb)
    return "#" + "".join(f"{round(part):02X}" for part in mixed)
