"""A training as a process: what is refused before, the claim, signals, the log."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gencore.config.options import RunConfig
from gencore.store import events, runs
from gencore.store.runs import Run

if TYPE_CHECKING:  # refusing needs no torch
    import torch
    from tqdm import tqdm


def refuse_if_taken(run: Run, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Refuse to train where that is not possible, before anything is touched.

    Raises RunExistsError, RunBusyError, NotARunError where the folder holds other files, or ValueError with
    the difference of configs.
    """
    if not run.exists:
        run.refuse_foreign_files()
        return
    if (process := run.process()) and process.pid != os.getpid():
        raise runs.RunBusyError(
            f"another process is training or measuring run {run.name}; `gencore stop {run.name}` first"
        )
    if resume and (difference := config.difference(run.config())):
        raise ValueError(
            f"run {run.name} has another config: {'; '.join(difference)}; "
            "repeat its options or use --overwrite"
        )
    if not (resume or overwrite):
        raise runs.RunExistsError(
            f"a run named {run.name} exists; use --resume, --overwrite or another --name"
        )


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
    """Train to the end, to a signal or to a fault, and return which. The run is claimed and its log written.

    Raises as `recorded` does.
    """
    last = None
    for event in recorded(run, config, device, resume, overwrite, data_folder):
        last = event
    assert isinstance(last, events.Ended)
    return last


def recorded(
    run: Run,
    config: RunConfig,
    device: torch.device,
    resume: bool = False,
    overwrite: bool = False,
    data_folder: Path | None = None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> Generator[events.Event, None, None]:
    """The events of the training, each in the log of the run before it comes; the last one is Ended.

    The run is claimed from the first to the last. `should_stop` gives a reason to stop beside those that
    signals give, or None. Raises as `refuse_if_taken` and `prepare` do, ValueError where a finished run is to
    be resumed.
    """
    refuse_if_taken(run, config, resume, overwrite)
    _refuse_if_finished(run, resume)
    from gencore.training.loop import prepare, train

    prepare(config, device, run.home, data_folder)  # refuses before anything is written
    with run.claim(), _signals(run) as signalled:
        refuse_if_taken(run, config, resume, overwrite)  # again: another process may have been faster
        _refuse_if_finished(run, resume)
        if overwrite:
            run.clear()
        if not run.exists:
            run.create(config)
        resume = resume and run.events_path.exists()
        with events.Writer(run.events_path) as log:
            stream = train(
                run, device, resume, should_stop=lambda: signalled() or should_stop(), data_folder=data_folder
            )
            yield from _record(run, log, stream)


def _record(
    run: Run, log: events.Writer, stream: Generator[events.Event, None, None]
) -> Iterator[events.Event]:
    """Append each event to the log, show it and yield it, to the last one.

    A disk too full for an event, or for what is printed, ends the training like one too full for a
    checkpoint.
    """
    from tqdm import tqdm

    with tqdm(desc=run.name, unit="step", disable=None if sys.stderr.isatty() else True) as bar:
        event = next(stream)
        while True:
            try:
                log.append(event)
                if not isinstance(event, events.Ended):
                    _show(run, event, bar)
            except OSError as error:
                if isinstance(event, events.Ended):
                    raise
                event = stream.throw(error)
                continue
            yield event
            if isinstance(event, events.Ended):
                return
            event = next(stream)


def _show(run: Run, event: events.Event, bar: tqdm[NoReturn]) -> None:
    """A bar on a terminal, plain lines elsewhere."""
    match event:
        case events.Started():
            bar.reset(event.total_steps)
        case events.Resumed():
            bar.update(event.step - bar.n)
        case events.Progress():
            bar.update(event.step - bar.n)
            bar.set_postfix_str(_figures(event))
            if not sys.stderr.isatty() and event.epoch.is_integer():
                print(f"{run.name} epoch {event.epoch:g}: {_figures(event)}", file=sys.stderr, flush=True)
        case events.QuickDistance():
            bar.write(f"{run.name} epoch {event.epoch:g}: quick fd {event.fd}", file=sys.stderr)
        case events.Notice() | events.Collapse():
            bar.write(f"{run.name}: {event.text}", file=sys.stderr)


def _figures(event: events.Progress) -> str:
    losses = " ".join(
        f"{name} {value:.4g}" if value is not None else f"{name} nan" for name, value in event.losses.items()
    )
    return f"{losses} | {event.images_per_second:.0f} images/s"


@contextlib.contextmanager
def _signals(run: Run) -> Iterator[Callable[[], str | None]]:
    """Ctrl-C and SIGTERM become a reason to stop after the step; a second one ends the process at once.

    The run's status is `stopping` from the first on; only for the process that holds the claim.
    """
    reasons: list[str] = []
    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def note(number: int, frame: object) -> None:
        reasons.append(f"stopped by {names[signal.Signals(number)]}")
        for each in names:
            signal.signal(each, signal.SIG_DFL)
        run.mark_as_stopping()

    before = {number: signal.signal(number, note) for number in names}
    try:
        yield lambda: reasons[0] if reasons else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
