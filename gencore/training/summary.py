"""What an event log says about how a training went: gradient spikes, decline after the best point, time to a
quality.

Pure functions of the events. s(fd) is the log score of a quick distance between a blur (0) and the floor
(1); few images bias the distance upwards, so a training is never said to have reached a level too early."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np

from gencore.metrics.scale import log_score
from gencore.store.events import Ended, Event, Progress, QuickDistance, device_seconds, without_void
from gencore.store.results import Metric

TRAILING_STEPS = 200
SPIKE_MADS = 6.0
LEVELS = {"seconds_to_blur": 0.0, "seconds_to_half": 0.5}
"""Metrics of time by the s(fd) that is to be passed."""
_CHUNK = 4096  # steps judged at once: their windows take 6.5 MB


def summary_metrics(
    events: list[Event], fd_floor: float, fd_of_blur: float, fd_at_end: float | None = None
) -> dict[str, Metric]:
    """How the training went, by its log; absent with the reason where the log cannot say.

    `fd_at_end` is the finished model's own distance: a level that no quick distance reached, but it does,
    took the whole training (a VAE draws from its fitted prior only then)."""
    history = without_void(events)
    of_any_log = {"gradient_spike_share": _spikes(history), "training_finite": _finite(history)}
    if not 0 < fd_floor < fd_of_blur:
        no_scale = _absent("a blur is no farther from real images than these are from each other")
        return of_any_log | dict.fromkeys(("fd_last_over_best", *LEVELS), no_scale)
    return (
        of_any_log
        | {
            "fd_last_over_best": _last_over_best(history, fd_floor, fd_of_blur),
        }
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
