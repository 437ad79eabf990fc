"""What was measured of a run: `results.json`, where every number carries its origin.

A metric that could not be measured has no value and a reason; it is never a default.
"""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gencore.files import write_atomically

SCHEMA_VERSION = 1
Record = TypeVar("Record", bound=BaseModel)  # Python 3.11 has no inline type parameters
MetricGroup = Literal[
    "distances", "manifold", "classes", "diversity", "memorisation", "reconstruction", "labels", "control", "latent", "cost", "cas"
]
"""What can be asked of an evaluation by name."""
DEFAULT_GROUPS: tuple[MetricGroup, ...] = tuple(group for group in get_args(MetricGroup) if group != "cas")  # it trains two classifiers
FeatureSpace = Literal["classifier", "random", "inception"]

Better = Literal["smaller", "larger", "nearer 1"]
BETTER: dict[str, Better] = {
    "fd": "smaller",
    "fd_random": "smaller",
    "fid": "smaller",
    "kd": "smaller",
    "kd_random": "smaller",
    "precision": "larger",
    "recall": "larger",
    "density": "larger",
    "coverage": "larger",
    "f1": "larger",
    "precision_random": "larger",
    "recall_random": "larger",
    "density_random": "larger",
    "coverage_random": "larger",
    "f1_random": "larger",
    "class_total_variation": "smaller",
    "class_coverage": "larger",
    "classifier_score": "larger",
    "inception_score": "larger",
    "bins_total_variation": "smaller",
    "bins_different": "smaller",
    "feature_distance_ratio": "nearer 1",
    "pixel_variance_ratio": "nearer 1",
    "conditional_accuracy": "larger",
    "cas": "larger",
    "control_hit_rate": "larger",
    "control_coverage": "larger",
    "training_seconds": "smaller",
    "seconds_to_half": "smaller",
    "samples_per_second_100": "larger",
}
"""Which way a metric is better, for those by which models are compared or metrics tested."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has neither


class Origin(_Record):
    """Where the numbers of one pass come from: what ran, on what, when."""

    kind: Literal["measured", "shipped"] = Field(description="Measured in this installation, or delivered with the product.")
    command: str
    device: str
    threads: int
    versions: dict[str, str]
    unix_time: float
    notes: list[str] = []

    @property
    def words(self) -> str:
        """`measured here` or `shipped`."""
        return {"measured": "measured here", "shipped": "shipped"}[self.kind]


def _is_not_finite(value: object) -> bool:
    return isinstance(value, Real) and not math.isfinite(value)  # numpy's numbers are Real, not all are float


class Metric(_Record):
    """One number with what is needed to judge it. `value` is null exactly where `reason` says why."""

    value: float | None
    unit: str = ""
    measured_in: str = Field("evaluation", description="Which of the origins it has.")
    floor: float | None = Field(None, description="The same metric between real images (training sample against test split).")
    spread: float | None = Field(None, description="Of timings the interquartile range over repetitions, of a mean over pairs its standard error.")
    samples: int | None = Field(None, description="Generated images it was measured on.")
    blind_to: list[str] = Field([], description="Corruptions that the self-test of this data set found it not to see.")
    warning: str | None = None
    reason: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_what_is_not_finite(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        broken = {name for name in ("value", "floor", "spread") if _is_not_finite(given.get(name))}
        reason = {"reason": given.get("reason") or f"came out as {given['value']}"} if "value" in broken else {}
        return given | dict.fromkeys(broken) | reason

    @model_validator(mode="after")
    def _has_value_or_reason(self) -> Metric:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a metric has either a value or the reason why it has none")
        return self


class Results(_Record):
    """Everything `evaluate` found out about one run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: str
    label: str
    dataset: str
    seed: int
    origins: dict[str, Origin] = Field(
        description="`training`, `evaluation` (the newest), and earlier evaluations of the same images whose figures still stand."
    )
    checkpoint_digest: str = Field(description="SHA-256 of the weights that were measured.")
    extractor: str
    extractor_digest: str
    reference: str
    sampler: str = Field(description="How the images were drawn, in words.")
    samples: int | None = Field(None, description="How many were drawn; null in results of before this was recorded.")
    sampling_seed: int | None = Field(None, description="Seed they were drawn from; null likewise.")
    metrics: dict[str, Metric]
    class_names: list[str]
    class_shares: list[float] = Field(description="Share of the generated images that the classifier gives each class.")
    confusion: list[list[int]] | None = Field(None, description="Rows: class asked for; columns: class recognised.")

    def value(self, name: str) -> float | None:
        """The metric's number, or None where it was not measured."""
        metric = self.metrics.get(name)
        return metric.value if metric else None


class UnreadableError(ValueError):
    """A file of a run is not what it should be; the message names it and says why."""


def explain(error: ValidationError) -> str:
    """A pydantic error as one line: where, what is wrong, what was given."""
    parts = []
    for item in error.errors(include_url=False):
        where = ".".join(str(key) for key in item["loc"] if key not in {"vae", "gan", "ddpm", "classifier"})
        got = "" if isinstance(item["input"], (dict, list)) else f" (got {item['input']!r})"
        parts.append(f"{where}: {item['msg']}{got}" if where else f"{item['msg']}")
    return "; ".join(parts).replace("Value error, ", "")


def save(path: Path, record: BaseModel) -> None:
    """The record as strict JSON (no NaN), whole or not at all."""
    write_atomically(path, record.model_dump_json(indent=1).encode() + b"\n")


def load(path: Path, kind: type[Record]) -> Record:
    """The record in `path`. Raises FileNotFoundError, or UnreadableError that names the file and the fault."""
    content = path.read_bytes()
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableError(f"{path} is not readable as {kind.__name__}: {explain(error)}") from error
