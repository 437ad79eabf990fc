"""Records of the classifier that the models of a data set are measured with: floors and ladder.

They lie beside it as `reference.json` and `selftest.json`. Pages read them without torch; `floors.py` and
`ladder.py` measure them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gencore.metrics.catalog import Better
from gencore.store.results import Origin


class Floor(BaseModel):
    """A metric between real images: mean and spread over draws."""

    model_config = ConfigDict(frozen=True)
    value: float
    standard_deviation: float
    samples: int
    draws: int


class ReferenceFigures(BaseModel):
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
