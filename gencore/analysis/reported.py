"""Figures that other projects report about themselves: not measured here, always shown with their caveat.

The figures and their sources are in `reported.json`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

_QUALITY = ("image_quality", "clarity")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Record):
    """One project's own figures, by model, under its own names."""

    label: Literal["reported"] = "reported"
    id: str
    title: str
    dataset: str
    caveat: str
    models: dict[str, dict[str, float]]

    def point(self, model: str) -> tuple[float, float, float] | None:
        """Its scores (0 to 1) for quality, stability and controllability; None unless all three are given."""
        given = self.models[model]
        quality = next((given[name] for name in _QUALITY if name in given), None)
        if quality is None or "stability" not in given or "controllability" not in given:
            return None
        return quality, given["stability"], given["controllability"]


class _File(_Record):
    note: str
    sources: list[Source]


@cache
def _file() -> _File:
    return _File.model_validate_json(
        resources.files("gencore.analysis").joinpath("reported.json").read_bytes()
    )


def note() -> str:
    """What holds for all of them."""
    return _file().note


def reported(dataset: str) -> list[Source]:
    """The sources with figures on `dataset` (`mixed`: several data sets at once); may be empty."""
    return [source for source in _file().sources if source.dataset == dataset]
