"""What a study found, as records: points over seeds, effects, contrasts, the winner. Loads no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gencore.analysis.comparison import MeanInterval
from gencore.studies.study import Level


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PointSummary(_Record):
    """One point over its seeds."""

    point: dict[str, Level]
    title: str
    seeds: list[int]
    values: list[float | None] = Field(description="Of the objective by seed; null where there is none.")
    interval: MeanInterval | None = Field(description="Over the seeds that finished; null for none.")
    finished: int
    cut: int
    lost: int = Field(description="Seeds on which it diverged, failed or died.")
    open: int = Field(description="Seeds that wait, run, or were stopped.")


class AxisEffect(_Record):
    """What one axis does."""

    axis: str
    share: float | None = Field(description="Of the variance; null where that is not known.")
    levels: dict[str, MeanInterval] = Field(
        description="By level, the mean over all else, with its interval over seeds; on the scale of the "
        "analysis (log10 of a distance)."
    )
    sensitivity: float | None = Field(
        description="The worst level's mean over the best one's (distances), else their difference."
    )


class Interaction(_Record):
    """What two axes do together beyond what each does."""

    first: str
    second: str
    share: float


class Contrast(_Record):
    """Two levels of an axis, compared seed by seed with all else alike."""

    axis: str
    first: str
    second: str
    difference: MeanInterval = Field(description="First - second, on the scale of the analysis.")
    p: float | None = Field(
        description="Of a paired permutation test, with Holm's correction for all contrasts of the study; "
        "null where there are too few seeds."
    )
    better: str | None = Field(description="The better level where p < .05.")


class Winner(_Record):
    """The best point of a search."""

    point: dict[str, Level]
    title: str
    run: str = Field(description="The trial with the best value at this point.")
    selected: MeanInterval = Field(description="On the seeds by which it was chosen: too good by luck.")
    among: int = Field(description="Points that it was chosen from.")
    confirmed: MeanInterval | None = Field(description="On fresh seeds; null where it was not trained there.")
    lost: int = Field(description="Fresh seeds on which it diverged or failed.")
    note: str

    @property
    def is_best(self) -> bool:
        """Whether it may be called the best: fresh seeds have measured it."""
        return self.confirmed is not None


class StudyAnalysis(_Record):
    """Everything that the trials so far say."""

    objective: str
    is_smaller_better: bool
    is_on_log_scale: bool = Field(description="Whether effects and contrasts are of log10 of the objective.")
    at_epoch: float | None = Field(
        description="Where trials were cut: the epoch at which all are compared; null for their end."
    )
    counts: dict[str, int] = Field(description="Trials by status.")
    points: list[PointSummary] = Field(description="The best first; what did not finish last.")
    effects: list[AxisEffect] = Field(description="The largest share first.")
    interactions: list[Interaction]
    effects_note: str
    contrasts: list[Contrast]
    contrasts_note: str
    winner: Winner | None
