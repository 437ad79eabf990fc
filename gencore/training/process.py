"""One training from the side of the process that runs it: what is refused before, the claim, signals, the log."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gencore import events, runs
from gencore.config import RunConfig
from gencore.runs import Run

if TYPE_CHECKING:  # refusing needs no torch
    import torch


def refuse_if_taken(run: Run, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Raises RunExistsError, RunBusyError, or ValueError with the difference of configs, before anything is touched."""
    if not run.exists:
        return
    if (process := run.process()) and process.pid != os.getpid():
        raise runs.RunBusyError(f"another process is training or measuring run {run.name}; `gencore stop {run.name}` first")
    if resume and (difference := config.difference(run.config())):
        raise ValueError(f"run {run.name} has another config: {'; '.join(difference)}; repeat its options or use --overwrite")
    if not (resume or overwrite):
        raise runs.RunExistsError(f"a run named {run.name} exists; use --resume, --overwrite or another --name")


def _refuse_if_finished(run: Run, resume: bool) -> None:
    newest = events.last(run.events_path)
    if resume and isinstance(newest, events.Ended) and newest.status == "finished":
        raise ValueError(f"run {run.name} has finished; use --overwrite or another --name to train again")


def drive(
    run: Run,
    config: RunConfig,
    device: torch.device,
    resume: bool = False,
    overwrite: bool = False,
    data_folder: Path | None = None,
) -> events.Ended:
    """Train to the end, to a signal or to a fault, and say which; the run is claimed meanwhile, its log written.

    Raises as `refuse_if_taken` and `prepare` do, ValueError where a finished run is to be resumed.
    """
    refuse_if_taken(run, config, resume, overwrite)
    _refuse_if_finished(run, resume)
    from gencore.training import prepare, train

    prepare(config, device, run.results.parent.parent, data_folder)  # refuses before anything is written
    with _signals() as reason, run.claim():
        refuse_if_taken(run, config, resume, overwrite)  # again: another process may have been faster
        _refuse_if_finished(run, resume)
        if overwrite:
            run.clear()
        if not run.exists:
            run.create(config)
        resume = resume and run.events_path.exists()
        events.repair(run.events_path)
        stream = train(run, device, resume, should_stop=reason, data_folder=data_folder)
        return _record(run, stream)


def _record(run: Run, stream: Iterator[events.Event]) -> events.Ended:
    """Append each event to the log and show it: a bar on a terminal, plain lines elsewhere."""
    from tqdm import tqdm

    with tqdm(desc=run.name, unit="step", disable=None if sys.stderr.isatty() else True) as bar:
        for event in stream:
            events.append(run.events_path, event)
            if isinstance(event, events.Started):
                bar.reset(event.total_steps)
            elif isinstance(event, events.Resumed):
                bar.update(event.step - bar.n)
            elif isinstance(event, events.Progress):
                bar.update(event.step - bar.n)
                bar.set_postfix_str(_figures(event))
                if not sys.stderr.isatty() and event.epoch.is_integer():
                    print(f"{run.name} epoch {event.epoch:g}: {_figures(event)}", file=sys.stderr, flush=True)
            elif isinstance(event, events.QuickDistance):
                bar.write(f"{run.name} epoch {event.epoch:g}: quick fd {event.fd}", file=sys.stderr)
            elif isinstance(event, events.Notice):
                bar.write(f"{run.name}: {event.text}", file=sys.stderr)
            elif isinstance(event, events.Ended):
                return event
    raise AssertionError("a training ends with an Ended event")


def _figures(event: events.Progress) -> str:
    losses = " ".join(f"{name} {value:.4g}" if value is not None else f"{name} nan" for name, value in event.losses.items())
    return f"{losses} | {event.images_per_second:.0f} images/s"


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], str | None]]:
    """Ctrl-C and SIGTERM become a reason to stop after the step; a second one ends the process at once."""
    reasons: list[str] = []
    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def note(number: int, frame: object) -> None:
        reasons.append(f"stopped by {names[signal.Signals(number)]}")
        for each in names:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in names}
    try:
        yield lambda: reasons[0] if reasons else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
