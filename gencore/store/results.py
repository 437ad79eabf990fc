"""What was measured of a run: `results.json`, where every number carries its origin.

A metric that could not be measured has no value and a reason; it is never a default.
"""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gencore.store.files import UnreadableError, read_file, write_atomically

Record = TypeVar("Record", bound=BaseModel)  # Python 3.11 has no inline type parameters


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has neither


class Origin(_Record):
    """Where the numbers of one pass come from: what ran, on what, when."""

    kind: Literal["measured", "shipped"] = Field(
        description="Measured in this installation, or delivered with the product."
    )
    command: str
    device: str
    threads: int
    versions: dict[str, str]
    unix_time: float
    notes: list[str] = []
    tf32: bool | None = Field(
        None,
        description="Whether a GPU could round float32 to TF32 (products, convolutions); null where "
        "this was not recorded.",
    )
    data_digests: dict[str, str] = Field(
        {}, description="By split: SHA-256 of the images and labels as loaded. Empty in older results."
    )

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
    floor: float | None = Field(
        None,
        description="The same metric between real images (training sample against test split); where there "
        "are `baselines` and real images have none, the best of those.",
    )
    baselines: dict[str, float] = Field(
        {},
        exclude_if=lambda baselines: not baselines,  # other metrics stay as they were
        description="By name: the same metric of answers that need no model.",
    )
    spread: float | None = Field(
        None,
        description="Of timings the interquartile range over repetitions; of a mean over pairs, and of the "
        "classifier score, its standard error; of the Inception Score its standard deviation over ten "
        "splits; of a mean over sampling seeds their standard deviation.",
    )
    by_extractor: dict[str, float] = Field(
        {}, description="By feature extractor, of a geometric mean over them."
    )
    samples: int | None = Field(None, description="Generated images it was measured on.")
    blind_to: list[str] = Field(
        [], description="Corruptions that the self-test of this data set found it not to see."
    )
    warning: str | None = None
    reason: str | None = None

    @property
    def over_floor(self) -> float | None:
        """`value` divided by `floor`; None where either is absent or the floor is 0."""
        return self.value / self.floor if self.value is not None and self.floor else None

    @model_validator(mode="before")
    @classmethod
    def _null_what_is_not_finite(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        broken = {name for name in ("value", "floor", "spread") if _is_not_finite(given.get(name))}
        reason = (
            {"reason": given.get("reason") or f"came out as {given['value']}"} if "value" in broken else {}
        )
        finite = {}
        if isinstance(baselines := given.get("baselines"), dict):
            finite["baselines"] = {name: one for name, one in baselines.items() if not _is_not_finite(one)}
        return given | dict.fromkeys(broken) | reason | finite

    @model_validator(mode="after")
    def _has_value_or_reason(self) -> Metric:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a metric has either a value or the reason why it has none")
        return self


class Results(_Record):
    """Everything `evaluate` found out about one run."""

    schema_version: Literal[1] = 1
    run: str
    label: str
    dataset: str
    seed: int
    origins: dict[str, Origin] = Field(
        description="`training`, `evaluation` (the newest), and earlier evaluations of the same images whose "
        "figures still stand."
    )
    checkpoint_digest: str = Field(description="SHA-256 of the weights that were measured.")
    extractor: str
    extractor_digest: str
    extractor_digests: dict[str, str] = Field(
        {},
        description="By name: of all extractors that distances were measured with; empty in older results.",
    )
    reference: str
    sampler: str = Field(description="How the images were drawn, in words.")
    samples: int | None = Field(
        None, description="How many were drawn; null in results of before this was recorded."
    )
    sampling_seed: int | None = Field(None, description="Seed they were drawn from; null likewise.")
    metrics: dict[str, Metric]
    class_names: list[str]
    class_shares: list[float] = Field(
        description="Share of the generated images that the classifier gives each class."
    )
    confusion: list[list[int]] | None = Field(
        None, description="Rows: class asked for; columns: class recognised."
    )

    def value(self, name: str) -> float | None:
        """The metric's number, or None where it was not measured."""
        metric = self.metrics.get(name)
        return metric.value if metric else None


def explain(error: ValidationError) -> str:
    """A pydantic error as one line: where, what is wrong, what was given."""
    parts = []
    for item in error.errors(include_url=False):
        path = list(map(str, item["loc"]))
        if path[:1] == ["model"]:
            del path[1:2]  # the family, by which pydantic chose the config class
        where = ".".join(path)
        got = "" if isinstance(item["input"], (dict, list)) else f" (got {item['input']!r})"
        parts.append(f"{where}: {item['msg']}{got}" if where else f"{item['msg']}")
    return "; ".join(parts).replace("Value error, ", "")


def save(path: Path, record: BaseModel) -> None:
    """The record as strict JSON (no NaN), whole or not at all."""
    write_atomically(path, record.model_dump_json(indent=1).encode() + b"\n")


def load(path: Path, kind: type[Record]) -> Record:
    """The record in `path`. Raises FileNotFoundError, or UnreadableError that names the file and why."""
    content = read_file(path)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableError(f"{path} is not readable as {kind.__name__}: {explain(error)}") from error
