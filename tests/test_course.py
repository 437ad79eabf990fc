"""What an event log says of a training: spikes, decline, time to a quality; and where it cannot say."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from support import record, tiny_config

from gencore.data.sources import ImageData
from gencore.store.events import (
    Ended,
    EndStatus,
    Event,
    Progress,
    QuickDistance,
    Resumed,
    Started,
    device_seconds,
)
from gencore.store.results import Metric
from gencore.store.runs import run
from gencore.training.summary import (
    CONVERGENCE,
    LEVELS,
    TRAILING_STEPS,
    seconds_at,
    spike_share,
    summary_metrics,
)

FLOOR, BLUR = 1.0, 10_000.0  # so that s(fd) of 100 is .5, of 10 .75, of 1000 .25


def progress(step: int, seconds: float, device: float | None = None, **norms: list[float | None]) -> Progress:
    return Progress(
        step=step,
        epoch=step / 10,
        seconds=seconds,
        device_seconds=device,
        images_per_second=1.0,
        losses={},
        gradient_norms={},
        norms=norms,
    )


def quick(step: int, fd: float | None) -> QuickDistance:
    return QuickDistance(step=step, epoch=step / 10, fd=fd, samples=256, extractor_digest="0")


def ended(step: int, seconds: float, status: EndStatus = "finished") -> Ended:
    return Ended(status=status, reason="enough", step=step, seconds=seconds, peak_memory_mib=1.0)


def course(*fds: float | None, status: EndStatus = "finished") -> list[Event]:
    """A quick distance every 10 steps of a second each."""
    log: list[Event] = []
    for i, fd in enumerate(fds, start=1):
        log += [progress(10 * i, 10.0 * i), quick(10 * i, fd)]
    return [*log, ended(10 * len(fds), 10.0 * len(fds), status)]


def metrics(log: list[Event], fd_at_end: float | None = None) -> dict[str, Metric]:
    return summary_metrics(log, FLOOR, BLUR, fd_at_end)


def value(name: str, log: list[Event], fd_at_end: float | None = None) -> float | None:
    return metrics(log, fd_at_end)[name].value


NORMS = [1.0, 2.0, 3.0, 4.0, 5.0] * (TRAILING_STEPS // 5)
"""In logarithms: median ln 3, MAD ln 1.5. A spike is above 3 * 1.5^6 = 34.17."""


def test_a_spike_is_above_median_and_6_mad_of_the_200_steps_before() -> None:
    assert spike_share([*NORMS, 34.1]) == 0
    assert spike_share([*NORMS, 34.2]) == 1
    assert spike_share([*NORMS, *NORMS, 100.0, *NORMS[:4]]) == pytest.approx(1 / 205)


def test_a_step_without_200_before_it_is_not_judged() -> None:
    assert spike_share(NORMS) is None
    assert spike_share([1e9, *NORMS]) == 0


def test_spikes_are_judged_by_their_past_alone_so_a_rise_for_good_is_a_spike_only_while_it_is_new() -> None:
    risen = [10.0 * norm for norm in NORMS]
    share = spike_share([*NORMS, *risen, *risen])
    assert share == spike_share([*NORMS, *risen, *NORMS]), "what comes later changed the verdict"
    assert 0 < share < 0.25


def test_a_norm_that_is_not_finite_is_a_spike_and_does_not_hide_others() -> None:
    assert spike_share([*NORMS, None]) == 1
    assert spike_share([*NORMS, None, 34.1, 36.0]) == pytest.approx(2 / 3)


def test_a_long_training_has_the_share_of_its_steps_judged_one_by_one() -> None:
    rng = random.Random(0)
    norms = [math.exp(rng.gauss(0, 1) ** 3) for _ in range(4400)]
    alone = [spike_share(norms[i - TRAILING_STEPS : i + 1]) for i in range(TRAILING_STEPS, len(norms))]
    assert 0 < sum(alone) and spike_share(norms) == sum(alone) / len(alone)


def test_the_worst_player_is_the_figure_and_is_named() -> None:
    share = metrics([progress(200, 1.0, d=NORMS, g=NORMS), progress(202, 2.0, d=[3.0, 3.0], g=[3.0, 50.0])])[
        "gradient_spike_share"
    ]
    assert share.value == 0.5 and share.unit == "of the steps of the g" and share.measured_in == "training"


def test_what_a_resume_made_void_is_no_part_of_the_course() -> None:
    lost = [progress(201, 9.0, d=[1e6]), quick(201, 1.0)]
    log = [
        progress(200, 1.0, d=NORMS),
        *lost,
        Resumed(step=200, file="a"),
        progress(201, 2.0, d=[3.0]),
        quick(201, 1e3),
    ]
    assert value("gradient_spike_share", log) == 0
    assert (
        metrics(log)["seconds_to_half"].reason
        == "never passed 50 % of the way from a blur to real images; the best quick distance reached 25 %"
    )


def test_last_over_best_compares_scores_not_distances() -> None:
    assert value("fd_last_over_best", course(1e3, 10.0, 100.0)) == pytest.approx(0.5 / 0.75)
    assert value("fd_last_over_best", course(1e3, 100.0, 10.0)) == 1
    assert value("fd_last_over_best", course(1e3, 0.5, 0.9)) == 1, "below the floor is noise, not decline"


@pytest.mark.parametrize("broken", [course(10.0, 10.0, status="diverged"), course(10.0, None)])
def test_what_diverged_or_has_no_finite_distance_at_the_end_keeps_nothing_of_its_best(
    broken: list[Event],
) -> None:
    assert value("fd_last_over_best", broken) == 0


def test_whether_training_stayed_finite_is_known_only_of_what_ended_by_itself() -> None:
    assert [
        value("training_finite", course(10.0, status=status))
        for status in ("finished", "stopped", "diverged")
    ] == [1, 1, 0]
    assert metrics(course(10.0, status="failed"))["training_finite"].reason == "training failed: enough"
    assert metrics(course(10.0)[:-1])["training_finite"].reason == "training has not ended"


def test_loss_variance_is_that_of_the_second_half_of_the_loss_that_varies_most() -> None:
    def log(*losses: dict[str, float | None]) -> list[Event]:
        return [
            progress(10 * i, 1.0).model_copy(update={"losses": one}) for i, one in enumerate(losses, start=1)
        ]

    found = metrics(
        log({"a": 9.0, "b": 9.0}, {"a": 5.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 3.0, "b": 1.0})
    )
    assert found["loss_variance"].value == 2.0 and found["loss_variance"].unit == "of the loss a"
    older = metrics(
        log(*[{"a": 1.0, "d_real": 0.0}] * 2, {"a": 1.0, "d_real": 0.5}, {"a": 1.0, "d_real": 1.0})
    )
    assert older["loss_variance"].value == 0.0  # a diagnostic among the losses is no loss
    broken = metrics(log(*[{"a": 1.0}] * 3, {"a": None}))["loss_variance"]
    assert broken.reason == "the loss a was not finite"
    assert "fewer than 2 progress events" in metrics([progress(10, 1.0)])["loss_variance"].reason


def test_a_training_converges_where_95_percent_of_its_best_score_are_reached() -> None:
    found = metrics(course(BLUR, 1e3, 14.0, 10.0))  # s(fd): 0, .25, .71, .75, of which 95 % are .7125
    assert found["convergence_epoch"].value == 3
    assert found["convergence_rate"].value == pytest.approx(math.log(BLUR / 14) / 2)
    assert value("convergence_epoch", course(BLUR, 1e3, 15.0, 10.0)) == 4


def test_convergence_is_absent_with_the_reason_where_quick_distances_do_not_say() -> None:
    at_once = metrics(course(10.0, 10.0))
    assert at_once["convergence_epoch"].value == 1
    assert at_once["convergence_rate"].reason == "converged at the first quick distance"
    assert metrics(course(10.0))["convergence_epoch"].reason == "fewer than 2 quick distances"
    assert "below that of a blur" in metrics(course(2 * BLUR, 2 * BLUR))["convergence_rate"].reason


def test_only_a_log_with_the_variance_of_generated_images_says_how_long_a_training_was_in_collapse() -> None:
    started = Started(
        total_steps=100,
        steps_per_epoch=10,
        device="cpu",
        threads=1,
        precision="float32",
        parameters={},
        versions={},
    )
    steps = [
        progress(step, 1.0).model_copy(update={"diagnostics": {"variance_ratio": ratio}})
        for step, ratio in ((50, 0.05), (100, 0.5))
    ]
    assert value("collapse_share", [started, *steps]) == 0.5
    assert "only adversarial trainings" in metrics([started, *course(10.0)])["collapse_share"].reason


def test_the_levels_are_a_blur_and_half_of_the_way_from_it_to_real_images() -> None:
    assert LEVELS == {"seconds_to_blur": 0.0, "seconds_to_half": 0.5}


def test_the_seconds_to_a_level_are_those_of_the_first_quick_distance_that_passes_it() -> None:
    log = course(2 * BLUR, 1e3, 99.0, 1e3, 10.0)
    assert value("seconds_to_blur", log) == 20 and value("seconds_to_half", log) == 30


def test_a_level_that_is_met_and_not_passed_is_not_reached() -> None:
    log = course(BLUR, 9999.0, 100.0, 99.9)
    assert value("seconds_to_blur", log) == 20 and value("seconds_to_half", log) == 40
    at_both = metrics(course(BLUR, BLUR), fd_at_end=BLUR)
    assert at_both["seconds_to_blur"].reason == (
        "never passed 0 % of the way from a blur to real images; the best quick distance reached 0 %"
    )
    assert value("seconds_to_half", course(1e3, 100.0), fd_at_end=100.0) is None


def test_a_distance_that_was_not_finite_passes_no_level() -> None:
    assert value("seconds_to_blur", course(None, None)) is None
    assert value("seconds_to_blur", course(None, 10.0)) == 20


def test_seconds_lie_on_the_line_between_progress_events() -> None:
    log = [progress(10, 4.0), progress(20, 10.0)]
    assert [seconds_at(step, log) for step in (5, 10, 15, 20)] == [2.0, 4.0, 7.0, 10.0]
    assert seconds_at(21, log) is None
    assert (
        metrics([quick(10, 1.0)])["seconds_to_half"].reason == "the event log lacks the progress of step 10"
    )


def test_seconds_are_those_of_the_device_where_the_log_has_them() -> None:
    log = [progress(10, 400.0, device=4.0), progress(20, 900.0, device=10.0), quick(15, 1e3), quick(20, 10.0)]
    assert value("seconds_to_blur", log) == 7.0 and value("seconds_to_half", log) == 10.0
    end = Ended(
        status="finished", reason="x", step=20, seconds=950.0, device_seconds=11.0, peak_memory_mib=1.0
    )
    assert value("seconds_to_half", [progress(20, 900.0, device=10.0), quick(20, 1e3), end], 50.0) == 11.0


def test_a_level_that_only_the_finished_model_has_took_the_whole_training() -> None:
    log = course(2 * BLUR, 2 * BLUR)
    found = metrics(log, fd_at_end=500.0)
    assert found["seconds_to_blur"].value == 20 and "upper bound" in found["seconds_to_blur"].warning
    assert found["seconds_to_half"].value is None
    assert value("seconds_to_half", log, fd_at_end=50.0) == 20
    assert value("seconds_to_blur", course(10.0, 2 * BLUR), fd_at_end=50.0) == 10, "what was seen goes first"
    assert value("seconds_to_blur", log[:-1], fd_at_end=50.0) is None, "it has not ended"


def test_what_a_log_cannot_say_is_absent_with_the_reason() -> None:
    old = metrics([progress(300, 1.0), ended(300, 1.0)])
    of_any_log = {"gradient_spike_share", "loss_variance", "collapse_share", "training_finite"}
    assert old.keys() == of_any_log | {"fd_last_over_best", *CONVERGENCE, *LEVELS}
    assert {name: metric.reason for name, metric in old.items() if metric.value is None} == {
        "gradient_spike_share": "the event log holds no gradient norms by step; train the run again",
        "loss_variance": "fewer than 2 progress events in the second half of the training",
        "collapse_share": "the event log holds no variance of generated images: "
        "only adversarial trainings do",
        **dict.fromkeys(("fd_last_over_best", *CONVERGENCE), "fewer than 2 quick distances"),
        **dict.fromkeys(LEVELS, "the event log holds no quick distances"),
    }
    assert all(metric.value is None for metric in metrics([]).values())
    assert metrics([progress(200, 1.0, d=NORMS)])["gradient_spike_share"].reason == "fewer than 201 steps"
    assert (
        metrics(course(BLUR, 2 * BLUR))["fd_last_over_best"].reason
        == "no quick distance was below that of a blur"
    )


def test_the_log_of_a_real_training_says_all_of_its_course(
    with_extractor: Path, few_digits: ImageData
) -> None:
    one = run("x")
    one.create(tiny_config("vae", epochs=51, fd_every=17, fd_samples=256))
    log = record(one, few_digits)
    measured = {event.step: event.fd for event in log if isinstance(event, QuickDistance)}
    best = min(measured, key=measured.__getitem__)
    found = summary_metrics(log, fd_floor=measured[best], fd_of_blur=1e6)
    assert 0 <= found["gradient_spike_share"].value <= 1 and found["training_finite"].value == 1
    assert found["fd_last_over_best"].value == pytest.approx(
        math.log(1e6 / measured[204]) / math.log(1e6 / measured[best])
    )
    elapsed = {e.step: device_seconds(e) for e in log if isinstance(e, Progress)}
    assert found["seconds_to_blur"].value == elapsed[min(measured)] > 0
    assert found["seconds_to_half"].value in {elapsed[step] for step in measured if step <= best}


def test_without_a_scale_distances_are_absent_and_the_rest_is_told() -> None:
    found = summary_metrics(course(1.0, 1.0), fd_floor=5.0, fd_of_blur=2.0)
    assert found["training_finite"].value == 1
    for name in ("fd_last_over_best", *LEVELS):
        assert found[name].value is None and "a blur is no farther" in found[name].reason
