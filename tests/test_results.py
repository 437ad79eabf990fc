"""Results on disk: strict JSON, every number with its origin or its reason; and the scores made of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from support import made_results

from gencore.analysis.scores import distance_to_ideal, quality_parts, zone
from gencore.metrics.scale import geometric_mean, log_score
from gencore.store import results
from gencore.store.results import Metric, Results, UnreadableError


def strict(path: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    given = made_results(
        fd=Metric(value=1.5, floor=0.5, spread=0.1, samples=10),
        recall=Metric(value=None, reason="not asked for"),
        fd_over_floor=Metric(value=2.0, floor=1.0, by_extractor={"residual": 1.0, "plain": 4.0}),
    ).model_copy(update={"extractor_digests": {"residual": "1" * 64, "plain": "2" * 64}})
    results.save(path, given)
    assert results.load(path, Results) == given
    assert given.value("fd") == 1.5 and given.value("recall") is None and given.value("unheard of") is None


@pytest.mark.parametrize(
    "broken", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")], ids=repr
)
def test_a_value_that_is_not_finite_is_null_with_the_reason_in_strict_json(
    tmp_path: Path, broken: float
) -> None:
    path = tmp_path / "results.json"
    results.save(
        path, made_results(fd=Metric(value=broken), recall=Metric(value=1.0, floor=broken, spread=broken))
    )
    written = strict(path)["metrics"]
    assert written["fd"]["value"] is None and written["fd"]["reason"] == f"came out as {broken}"
    assert (
        written["recall"]["value"] == 1.0
        and written["recall"]["floor"] is None
        and written["recall"]["spread"] is None
    )
    assert results.load(path, Results) == made_results(fd=Metric(value=broken), recall=Metric(value=1.0))


def test_a_value_that_json_spells_nan_is_never_taken_for_a_number(tmp_path: Path) -> None:
    assert Metric.model_validate_json('{"value": NaN}') == Metric(value=None, reason="came out as nan")
    with pytest.raises(ValidationError, match="finite"):
        Metric.model_validate_json('{"value": "NaN"}')
    with pytest.raises(ValidationError, match="finite"):
        Results.model_validate(made_results().model_dump() | {"class_shares": [0.5, math.nan]})


def test_a_metric_has_a_value_or_a_reason_and_never_both() -> None:
    with pytest.raises(ValidationError, match="either a value or the reason"):
        Metric(value=None)
    with pytest.raises(ValidationError, match="either a value or the reason"):
        Metric(value=1.0, reason="but why")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "EOF"),
        (b'{"run": "x", "lab', "EOF"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[1, 2]", "object"),
        (b'{"rows": 3}', "rows: Extra inputs"),
        (b'{"schema_version": 2}', "schema_version: Input should be 1"),
    ],
)
def test_a_file_that_is_no_results_is_named_with_the_fault_in_one_line(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="not readable as Results") as failure:
        results.load(path, Results)
    assert str(path) in str(failure.value) and fault in str(failure.value) and "\n" not in str(failure.value)


def test_results_of_before_there_were_several_extractors_are_still_readable(tmp_path: Path) -> None:
    path, given = tmp_path / "results.json", made_results(fd=1.5)
    old = given.model_dump()
    del old["extractor_digests"], old["metrics"]["fd"]["by_extractor"]
    path.write_text(json.dumps(old))
    assert results.load(path, Results) == given and given.extractor_digests == {}


def test_results_that_are_absent_are_not_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        results.load(tmp_path / "results.json", Results)


def test_the_log_score_is_1_at_good_and_0_at_bad_and_half_at_their_geometric_mean() -> None:
    assert log_score(2, good=2, bad=200) == 1 and log_score(200, good=2, bad=200) == 0
    assert log_score(20, good=2, bad=200) == pytest.approx(0.5)
    assert log_score(0.1, good=2, bad=200) == 1 and log_score(1e9, good=2, bad=200) == 0


@pytest.mark.parametrize(("good", "bad"), [(0, 1), (-1, 1), (2, 2), (3, 2)])
def test_anchors_out_of_order_are_refused(good: float, bad: float) -> None:
    with pytest.raises(ValueError, match="anchors"):
        log_score(1, good, bad)


def test_quality_parts_are_measured_against_the_floors() -> None:
    parts = quality_parts(
        made_results(
            fd_over_floor=Metric(value=6.3, by_extractor={"residual": 10.0, "plain": 4.0}),
            blur_over_floor=Metric(value=80.0, by_extractor={"residual": 100.0, "plain": 64.0}),
            precision=Metric(value=0.6, floor=0.8),
            recall=Metric(value=0.2, floor=0.5),
            coverage=Metric(value=0.97, floor=0.95),
            class_total_variation=Metric(value=0.1),
            authentic_share=Metric(value=0.5, floor=0.625),
        )
    )
    realism = (1 / 2 + 2 / 3) / 2  # of 10 between 1 and 10²; of 4 between 1 and 4³
    assert parts == pytest.approx(
        {
            "realism": realism,
            "fidelity": 0.75,
            "variety": 0.4,
            "coverage": 1.0,
            "balance": 0.9,
            "novelty": 0.8,
        }
    )


def test_what_was_not_measured_is_absent_from_the_quality_parts() -> None:
    assert quality_parts(made_results()) == {}
    partly = made_results(
        fd=Metric(value=20, floor=2),
        fd_over_floor=Metric(value=10.0, by_extractor={"residual": 10.0}),
        precision=Metric(value=None, floor=0.8, reason="not asked for"),
        recall=Metric(value=0.5, floor=0.0),
        coverage=Metric(value=0.5),
        class_total_variation=Metric(value=2.0),
    )
    assert quality_parts(partly) == {"balance": 0.0}
    no_distance = made_results(
        fd_over_floor=Metric(value=None, reason="left out"),
        blur_over_floor=Metric(value=100.0, by_extractor={"residual": 100.0}),
    )
    assert quality_parts(no_distance) == {}


def test_the_geometric_mean_of_scores_is_0_as_soon_as_one_is() -> None:
    assert geometric_mean([0.25, 1.0]) == pytest.approx(0.5)
    assert geometric_mean([1.0, 0.0, 1.0]) == 0
    with pytest.raises(ValueError, match="no values"):
        geometric_mean([])


def test_the_ideal_is_no_distance_away_and_the_origin_is_the_diagonal_away() -> None:
    assert distance_to_ideal((1.0, 1.0, 1.0)) == 0
    assert distance_to_ideal((0.0, 0.0, 0.0)) == pytest.approx(math.sqrt(3))


def test_the_weakest_score_decides_the_zone_and_bounds_belong_to_it() -> None:
    assert [zone((1.0, 1.0, bound)) for bound in (0.8, 0.79, 0.6, 0.59, 0.4, 0.39)] == [
        "elite", "excellent", "excellent", "good", "good", "developing",
    ]  # fmt: skip
