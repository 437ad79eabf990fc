"""What is known of the classifier through which the models of a data set are measured.

Its floors (`reference.json`) and its ladder (`selftest.json`) lie beside it. Records alone, so that pages read them
without torch; `reference.py` and `selftest.py` measure them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gencore.results import Better, Origin


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


class Seen(BaseModel):
    """One metric over the ladder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    better: Better
    real: list[float] = Field(description="Of random real training images, one a draw.")
    rungs: dict[str, float]
    sees: list[str] = Field(description="Rungs that come out clearly worse than every draw of real images.")
    misorders: list[str] = Field(description="Rungs that it puts ahead of the 3x3 blur, though they are far worse.")

    @property
    def passes(self) -> bool:
        return not self.misorders


class SelfTest(BaseModel):
    """The ladder of a data set, by every metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    extractor_digest: str
    samples: int
    metrics: dict[str, Seen]
    origin: Origin
