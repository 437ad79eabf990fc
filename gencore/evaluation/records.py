"""Records of what is measured: floors and ladder of a classifier, a training at growing budgets.

They lie beside it as `reference.json`, `selftest.json` and `budgets.json`. Pages read them without torch;
`floors.py`, `ladder.py` and `budgets.py` measure them.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gencore.metrics.catalog import Better
from gencore.store.results import Origin

Shares = Literal["test", "uniform"]
"""How often each class is asked for: as in the test split, or each as often."""
BUDGETS_FILE = "budgets.json"
FAR_WORSE = ("pure noise", "single class")
BARELY_WRONG = "blurred"
"""Rungs of the ladder (`gencore.metrics.corruptions`) that a sound metric orders."""


class Floor(BaseModel):
    """A metric between real images: mean and spread over draws."""

    model_config = ConfigDict(frozen=True)
    value: float
    standard_deviation: float
    samples: int
    draws: int


class ReferenceFigures(BaseModel):
    """What the real images of a data set look like through a classifier; `reference.json` beside it."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    extractor_digest: str
    test_accuracy: float
    confusion: list[list[int]] = Field(description="Test split; rows: true class, columns: recognised class.")
    class_shares: list[float] = Field(description="Of the test split, by its labels.")
    floors: dict[str, Floor] = Field(description="Random training images against the test split.")
    floors_by_shares: dict[Shares, dict[str, Floor]] = Field(
        description="Random training images of the classes in these shares against the test split."
    )
    half_floors: dict[str, Floor] = Field(
        description="One random half of the test split against the other; empty but for the first extractor."
    )
    fd_of_rungs: dict[str, float] = Field(
        description="Training images, as many as for the floors, corrupted as each rung of the ladder says."
    )
    origin: Origin

    @property
    def fd_of_blur(self) -> float:
        """Of barely wrong images, the bad end of the scale of a model's."""
        return self.fd_of_rungs[BARELY_WRONG]

    @property
    def fd_of_noise(self) -> float:
        """Of uniform pixel noise."""
        return self.fd_of_rungs["pure noise"]

    @property
    def misorders(self) -> list[str]:
        """Rungs far worse than a blur that the classifier's features put ahead of it; then it is not used."""
        return [rung for rung in FAR_WORSE if self.fd_of_rungs.get(rung, math.inf) < self.fd_of_blur]

    def floors_for(self, shares: Shares | None) -> dict[str, Floor]:
        """The floors of images of classes in these shares; None for those of the training split."""
        return self.floors if shares is None else self.floors_by_shares[shares]


class MetricLadder(BaseModel):
    """One metric over the ladder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    better: Better
    real: list[float] = Field(description="Of random real training images, one a draw.")
    rungs: dict[str, float]
    sees: list[str] = Field(description="Rungs that come out clearly worse than every draw of real images.")
    misorders: list[str] = Field(
        description="Rungs that it puts ahead of the 3x3 blur, though they are far worse."
    )

    @property
    def passes(self) -> bool:
        """Whether the metric puts no far worse rung ahead of the blur."""
        return not self.misorders


class Ladder(BaseModel):
    """The ladder of a data set, by every metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    extractor_digest: str
    samples: int
    metrics: dict[str, MetricLadder]
    origin: Origin


class BudgetPoint(BaseModel):
    """How good a model was after a training of some length."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    device_seconds: float = Field(description="In which the device had trained it.")
    step: int
    fd_over_floor: float
    by_extractor: dict[str, float]
    origin: Origin


class Budgets(BaseModel):
    """One training at growing budgets, the last point its end; `budgets.json` beside its results."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: str
    samples: int
    seed: int = Field(description="Of the samples.")
    device: str = Field(description="That trained it.")
    threads: int
    blur_over_floor: float = Field(description="Of barely wrong images, to compare with.")
    points: list[BudgetPoint]
