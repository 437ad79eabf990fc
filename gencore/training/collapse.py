"""The alarm of a generator's collapse while it trains: nearly all of its images are one image.

It reads the variance of generated images within a condition as a multiple of that of real images, in each
progress event. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence

from gencore.store.events import Collapse, Event, Progress

COLLAPSED = 0.1
"""Below this multiple of the real variance a generator has collapsed."""
RECOVERED = 0.2
"""Above this multiple it has recovered, and the alarm can ring again."""
BEGINNING = 0.1
"""Share of the training that is not judged: an untrained generator draws one grey image."""


class CollapseAlarm:
    """Rings once for each collapse. After a resume it rings again where the collapse goes on."""

    def __init__(self, total_steps: int) -> None:
        self._first_step = BEGINNING * total_steps
        self._is_ringing = False

    def after(self, progress: Progress) -> Collapse | None:
        """The event where the images of these steps show a collapse that was not there before."""
        ratio = progress.diagnostics.get("variance_ratio")
        if ratio is None or progress.step <= self._first_step:
            return None
        rang, self._is_ringing = self._is_ringing, ratio < (RECOVERED if self._is_ringing else COLLAPSED)
        if rang or not self._is_ringing:
            return None
        return Collapse(
            step=progress.step,
            epoch=progress.epoch,
            variance_ratio=ratio,
            text=f"The generator has collapsed at epoch {progress.epoch:.3g}: its images vary "
            f"{100 * ratio:.2g} % as much as real ones (alarm below {100 * COLLAPSED:.0f} %).",
        )


def present_collapse(history: Sequence[Event]) -> Collapse | None:
    """The last collapse in a history without void events, if the images have not recovered since."""
    for event in reversed(history):
        if isinstance(event, Collapse):
            return event
        if isinstance(event, Progress):
            ratio = event.diagnostics.get("variance_ratio")
            if ratio is not None and ratio > RECOVERED:
                return None
    return None


def collapse_share(history: Sequence[Event], total_steps: int) -> float | None:
    """Share of the steps after the beginning in which the generator was collapsed; None where no log says."""
    judged = collapsed = reached = 0
    for event in history:
        if isinstance(event, Progress):
            steps, reached = event.step - reached, event.step
            ratio = event.diagnostics.get("variance_ratio")
            if ratio is not None and event.step > BEGINNING * total_steps:
                judged += steps
                collapsed += steps * (ratio < COLLAPSED)
    return collapsed / judged if judged else None
