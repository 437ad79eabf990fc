"""What an event log says about how a training went: gradient spikes, variance of the losses, collapse,
convergence, decline after the best point, time to a quality.

Pure functions of the events. s(fd) is the log score of a quick distance between a blur (0) and the floor
(1); few images bias the distance upwards, so a training is never said to have reached a level too early."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np

from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.metrics.scale import log_score
from gencore.store.events import (
    Ended,
    Event,
    Progress,
    QuickDistance,
    Started,
    device_seconds,
    without_void,
)
from gencore.store.results import Metric
from gencore.training.collapse import collapse_share

TRAILING_STEPS = 200
SPIKE_MADS = 6.0
LEVELS = {"seconds_to_blur": 0.0, "seconds_to_half": 0.5}
"""Metrics of time by the s(fd) that is to be passed."""
CONVERGENCE = ("convergence_epoch", "convergence_rate")
CONVERGED = 0.95
"""Share of the best s(fd) at which a training has converged."""
_CHUNK = 4096  # steps judged at once: their windows take 6.5 MB


def summary_metrics(
    events: list[Event], fd_floor: float, fd_of_blur: float, fd_at_end: float | None = None
) -> dict[str, Metric]:
    """How the training went, by its log; absent with the reason where the log cannot say.

    `fd_at_end` is the finished model's own distance: a level that no quick distance reached, but it does,
    took the whole training (a VAE draws from its fitted prior only then)."""
    history = without_void(events)
    of_any_log = {
        "gradient_spike_share": _spikes(history),
        "loss_variance": _loss_variance(history),
        "collapse_share": _collapse(history),
        "training_finite": _finite(history),
    }
    if not 0 < fd_floor < fd_of_blur:
        no_scale = _absent("a blur is no farther from real images than these are from each other")
        return of_any_log | dict.fromkeys(("fd_last_over_best", *CONVERGENCE, *LEVELS), no_scale)
    return (
        of_any_log
        | {
            "fd_last_over_best": _last_over_best(history, fd_floor, fd_of_blur),
        }
        | _convergence(history, fd_floor, fd_of_blur)
        | {
            name: _seconds_to(level, history, fd_floor, fd_of_blur, fd_at_end)
            for name, level in LEVELS.items()
        }
    )


def spike_share(norms: Sequence[float | None]) -> float | None:
    """Share of the steps whose log norm exceeds median + 6 MAD of the 200 before it; one not finite (null)
    always does.

    In logarithms, because norms of a sound training spread over factors: of log-normal ones (sigma 1) about 6
    % exceed that bound taken of the norms themselves. Only steps with 200 before them are judged; None where
    there is none."""
    x = np.log([math.inf if norm is None else max(norm, sys.float_info.min) for norm in norms])
    judged = x[TRAILING_STEPS:]
    if not len(judged):
        return None
    before = np.lib.stride_tricks.sliding_window_view(x[:-1], TRAILING_STEPS)  # (judged, TRAILING_STEPS)
    spikes = 0
    for start in range(0, len(judged), _CHUNK):
        these, windows = judged[start : start + _CHUNK], before[start : start + _CHUNK]
        median = np.median(windows, axis=1)
        with np.errstate(invalid="ignore"):  # inf - inf in a window of mostly infinite norms
            mad = np.median(np.abs(windows - median[:, None]), axis=1)
        spikes += int((~np.isfinite(these) | (these > median + SPIKE_MADS * mad)).sum())
    return spikes / len(judged)


def seconds_at(step: int, history: Sequence[Event]) -> float | None:
    """Device seconds until `step`, interpolated between progress events; None where none reaches so far."""
    known = [(0, 0.0)] + [(e.step, device_seconds(e)) for e in history if isinstance(e, Progress)]
    steps, seconds = zip(*known, strict=True)
    return float(np.interp(step, steps, seconds)) if step <= steps[-1] else None


def _spikes(history: Sequence[Event]) -> Metric:
    by_player: dict[str, list[float | None]] = {}
    for event in history:
        if isinstance(event, Progress):
            for player, norms in event.norms.items():
                by_player.setdefault(player, []).extend(norms)
    shares = {
        player: share for player, norms in by_player.items() if (share := spike_share(norms)) is not None
    }
    if not by_player:
        return _absent("the event log holds no gradient norms by step; train the run again")
    if not shares:
        return _absent(f"fewer than {TRAILING_STEPS + 1} steps")
    worst = max(shares, key=shares.__getitem__)
    return Metric(value=shares[worst], unit=f"of the steps of the {worst}", measured_in="training")


def _loss_variance(history: Sequence[Event]) -> Metric:
    """Over the second half of the steps, of the loss that varies most."""
    logged = [event for event in history if isinstance(event, Progress)]
    late = [event.losses for event in logged if event.step > logged[-1].step / 2]
    if len(late) < 2:
        return _absent("fewer than 2 progress events in the second half of the training")
    names = [name for name in late[-1] if name not in DIAGNOSTICS]  # older logs have these among the losses
    variances = {name: _variance([losses.get(name) for losses in late]) for name in names}
    if not variances:
        return _absent("the event log holds no losses")
    most = max(variances, key=variances.__getitem__)
    if not math.isfinite(variances[most]):
        return _absent(f"the loss {most} was not finite")
    return Metric(value=variances[most], unit=f"of the loss {most}", measured_in="training")


def _variance(values: Sequence[float | None]) -> float:
    """Unbiased; infinite where a value was not finite."""
    known = [value for value in values if value is not None]
    return float(np.var(known, ddof=1)) if len(known) == len(values) else math.inf


def _collapse(history: Sequence[Event]) -> Metric:
    started = next((event for event in reversed(history) if isinstance(event, Started)), None)
    share = collapse_share(history, started.total_steps) if started else None
    if share is None:
        return _absent("the event log holds no variance of generated images: only adversarial trainings do")
    return Metric(value=share, unit="of the steps", measured_in="training")


def _convergence(history: Sequence[Event], fd_floor: float, fd_of_blur: float) -> dict[str, Metric]:
    """When the quick distances came near their best, and how fast they fell until then."""
    quick = [(e.epoch, e.fd) for e in history if isinstance(e, QuickDistance)]
    scores = [score for _, score in _quick_scores(history, fd_floor, fd_of_blur)]
    if len(scores) < 2:
        return dict.fromkeys(CONVERGENCE, _absent("fewer than 2 quick distances"))
    if max(scores) == 0:
        return dict.fromkeys(CONVERGENCE, _absent("no quick distance was below that of a blur"))
    place = next(i for i, score in enumerate(scores) if score >= CONVERGED * max(scores))
    (first, at_first), (epoch, at_epoch) = next(one for one in quick if one[1]), quick[place]
    rate = _absent("converged at the first quick distance")
    if epoch > first and at_first and at_epoch:
        fall = math.log(at_first / at_epoch) / (epoch - first)
        rate = Metric(value=fall, unit="fall of ln fd an epoch", measured_in="training")
    return {
        "convergence_epoch": Metric(value=epoch, unit="epochs", measured_in="training"),
        "convergence_rate": rate,
    }


def _finite(history: Sequence[Event]) -> Metric:
    ended = _ended(history)
    if ended is None:
        return _absent("training has not ended")
    if ended.status == "failed":
        return _absent(f"training failed: {ended.reason}")
    return Metric(value=float(ended.status != "diverged"), unit="1: yes, 0: diverged", measured_in="training")


def _last_over_best(history: Sequence[Event], fd_floor: float, fd_of_blur: float) -> Metric:
    scores = [score for _, score in _quick_scores(history, fd_floor, fd_of_blur)]
    if len(scores) < 2:
        return _absent("fewer than 2 quick distances")
    if max(scores) == 0:
        return _absent("no quick distance was below that of a blur")
    last = 0.0 if _finite(history).value == 0 else scores[-1]
    return Metric(value=last / max(scores), unit="of s(fd)", measured_in="training")


def _seconds_to(
    level: float, history: Sequence[Event], fd_floor: float, fd_of_blur: float, fd_at_end: float | None
) -> Metric:
    scores = _quick_scores(history, fd_floor, fd_of_blur)
    if not scores:
        return _absent("the event log holds no quick distances")
    step = next((step for step, score in scores if score > level), None)
    if step is not None:
        seconds = seconds_at(step, history)
        reason = None if seconds is not None else f"the event log lacks the progress of step {step}"
        return Metric(value=seconds, unit="s", measured_in="training", reason=reason)
    ended = _ended(history)
    if ended and fd_at_end is not None and log_score(fd_at_end, fd_floor, fd_of_blur) > level:
        return Metric(
            value=device_seconds(ended),
            unit="s",
            measured_in="training",
            warning="no quick distance reached it, the finished model does: an upper bound",
        )
    best = max(score for _, score in scores)
    return _absent(
        f"never passed {100 * level:.0f} % of the way from a blur to real images;"
        f" the best quick distance reached {math.floor(100 * best)} %"
    )


def _quick_scores(history: Sequence[Event], fd_floor: float, fd_of_blur: float) -> list[tuple[int, float]]:
    """Step and s(fd) of each quick distance; one that was not finite scores 0."""
    return [
        (event.step, 0.0 if event.fd is None else log_score(event.fd, fd_floor, fd_of_blur))
        for event in history
        if isinstance(event, QuickDistance)
    ]


def _ended(history: Sequence[Event]) -> Ended | None:
    return next((event for event in reversed(history) if isinstance(event, Ended)), None)


def _absent(reason: str) -> Metric:
    return Metric(value=None, reason=reason, measured_in="training")
