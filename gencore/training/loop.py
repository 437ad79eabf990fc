"""The training loop: a generator of events.

One step lets every player of the model move once, on its own loss, and then averages the weights. Batches,
noise and order are functions of the seed and the step, so a resumed run on a CPU equals the uninterrupted one
bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch

from gencore import devices
from gencore.config.options import RunConfig
from gencore.data.batches import Batches
from gencore.data.sources import ImageData
from gencore.data.sources import load as load_data
from gencore.metrics.frechet import Moments, frechet_distance, moments
from gencore.models.base import GenerativeModel, Translates
from gencore.models.clusters import refuse_too_many
from gencore.models.feature_extractor import FeatureExtractor, MissingFeaturesError, load_extractor
from gencore.models.load import load_teacher, newest_states
from gencore.sampling.generate import generate_batches
from gencore.sampling.sheets import draw_sheet
from gencore.sampling.translate import draw_triptychs
from gencore.store.checkpoints import CheckpointError, load_checkpoint
from gencore.store.events import (
    Ended,
    EndStatus,
    Event,
    Notice,
    Progress,
    QuickDistance,
    Resumed,
    Saved,
    Sheet,
    Started,
)
from gencore.store.files import write_atomically
from gencore.store.runs import BUDGET_MINUTES, Run
from gencore.training.clock import Clock
from gencore.training.collapse import CollapseAlarm
from gencore.training.faults import divergence, fault
from gencore.training.step import State

_STATES_KEPT = 2  # if the newest turns out damaged, resume takes the one before it
_CHUNK = 100  # images generated, or looked at, between two questions whether to stop


def prepare(
    config: RunConfig,
    device: torch.device,
    folder: Path,
    data_folder: Path | None = None,
    data: ImageData | None = None,
) -> Batches:
    """The batches that `config` trains on, and with them the proof that it can be trained here; writes
    nothing.

    Raises DataError, ValueError (fewer images than a batch or than clusters; a teacher that is not as it
    was), MissingFeaturesError (early stopping without a feature classifier under `folder`)."""
    load_teacher(config, device, folder)
    if config.training.patience is not None:
        load_extractor(config.dataset_spec, device, folder)
    data = (data or load_data(config.dataset_spec, "train", data_folder)).for_batches(device)
    refuse_too_many(config.model.number_of_clusters, data)
    return Batches(data, config.data.batch_size, config.training.seed, config.model.jitters)


def train(
    run: Run,
    device: torch.device,
    resume: bool = False,
    should_stop: Callable[[], str | None] = lambda: None,
    data_folder: Path | None = None,
    data: ImageData | None = None,
    held_out: ImageData | None = None,
) -> Generator[Event, None, None]:
    """Train `run` by its config, yielding events as they happen; the last one is Ended.

    `should_stop` gives the reason to stop, or None; it is called after every step and between the parts of
    longer work. `data` and `held_out` replace the data set's training and test split (for tests); of the
    test split, only a training of pairs takes something: the sources of its sheets. Raises as `prepare` does,
    and ValueError when resuming another config. A full disk or memory is no exception: it ends the run as
    failed.
    """
    config = run.config()
    idle_memory = devices.idle_memory_mib(device)
    devices.restart_peak_memory(device)
    batches = prepare(config, device, run.home, data_folder, data)
    if held_out is None and config.dataset_spec.is_paired and config.training.sheets:
        held_out = load_data(config.dataset_spec, "test", data_folder)
    total = config.total_steps(batches.steps_per_epoch)
    state = None
    try:
        state = State.fresh(config, batches.data, device, load_teacher(config, device, run.home))
        yield Started(
            total_steps=total,
            steps_per_epoch=batches.steps_per_epoch,
            device=devices.describe(device),
            threads=torch.get_num_threads(),
            precision=str(state.dtype).removeprefix("torch."),
            parameters={
                name: sum(x.numel() for x in p.module.parameters()) for name, p in state.model.players.items()
            },
            versions=devices.versions(),
            idle_memory_mib=idle_memory,
            tf32=devices.uses_tf32(),
            data_digest=batches.data.digest,
        )
        if resume:
            yield from _restore_newest(run, state)
        yield from _Training(run, state, batches, total, should_stop, held_out).events()
    except (OSError, MemoryError, RuntimeError) as error:
        yield Ended(
            status="failed",
            reason=fault(error),
            step=state.step if state else 0,
            seconds=state.seconds if state else 0.0,
            device_seconds=state.device_seconds if state else 0.0,
            peak_memory_mib=devices.peak_memory_mib(device),
        )


def learning_rate_factor(schedule: Literal["constant", "cosine"], step: int, total: int) -> float:
    """What the learning rate is multiplied by at `step` of `total`: 1, or a warm-up over the first twentieth
    and then half a cosine to 0 (Loshchilov & Hutter 2017).
    """
    if schedule == "constant":
        return 1.0
    warmup = max(1, total // 20)
    return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / total)))


class _Training:
    """One run from its state's step to its end."""

    def __init__(
        self,
        run: Run,
        state: State,
        batches: Batches,
        total: int,
        should_stop: Callable[[], str | None],
        held_out: ImageData | None,
    ) -> None:
        self.run, self.state, self.batches, self.data, self.total = run, state, batches, batches.data, total
        self.should_stop = should_stop
        self.held_out = held_out
        self.stop_reason: str | None = None
        self.divergence: str | None = None
        self.device = state.rng.device
        self.settings = state.config.training
        self.sheet_steps = {
            # squares, so that the early steps, when most changes, are seen more often
            max(1, round(total * ((i + 1) / self.settings.sheets) ** 2))
            for i in range(self.settings.sheets)
        }
        self.quick_fd_reference: tuple[FeatureExtractor, Moments] | None = None
        self.said_refusal = False
        self.collapse_alarm = CollapseAlarm(self.total)
        self.clock = Clock(self.device)
        self.last_progress = (state.step, state.seconds)

    def events(self) -> Iterator[Event]:
        """All events to the end of the run; the last one is Ended."""
        state = self.state
        yield from self._load_extractor()
        self.clock.restart()
        yield from self._observe()  # what a stop at this step left out
        while state.step < self.total and not self.stop_reason and not self._patience_is_over:
            factor = learning_rate_factor(self.settings.schedule, state.step, self.total)
            state.advance(self.batches.batch(state.step), factor)
            if state.captured and state.captured.refusal and not self.said_refusal:
                self.said_refusal = True
                yield Notice(text=f"steps are not replayed as a CUDA graph: {state.captured.refusal}")
            yield from self._report()
            if self.divergence:
                break
            if not self._is_stopping():
                yield from self._observe()
            if self._checkpoint_is_due and not self.stop_reason:
                yield from self._save_state()
        if self.stop_reason and not self.divergence and not state.is_finite():  # in figures not read so far
            self.divergence = divergence(int(state.good_steps))
        if self.divergence:
            yield self._ended("diverged", self.divergence)
        elif self.stop_reason:
            yield from self._save_state()
            yield self._ended("stopped", self.stop_reason)
        elif self._patience_is_over:
            yield from self._finish(f"no better quick distance in {self.settings.patience} measurements")
        else:
            done = f"{self.settings.steps} steps" if self.settings.steps else f"{self.settings.epochs} epochs"
            yield from self._finish(f"{done} done")

    def _is_stopping(self) -> bool:
        """Whether the run is asked to stop: after each step, and between the parts of longer work."""
        self.stop_reason = self.stop_reason or self.should_stop()
        return self.stop_reason is not None

    @property
    def _epoch_ends(self) -> bool:
        return self.state.step % self.batches.steps_per_epoch == 0

    @property
    def _patience_is_over(self) -> bool:
        return self.settings.patience is not None and self.state.since_best >= self.settings.patience

    @property
    def _checkpoint_is_due(self) -> bool:
        epoch = self.state.step // self.batches.steps_per_epoch
        due = self._epoch_ends and epoch % self.settings.checkpoint_every == 0
        return due and self.state.step < self.total and not self._patience_is_over

    def _report(self) -> Iterator[Event]:
        """The figures of the window, where they are due; whether the training has diverged is read with
        them.
        """
        if self.state.step % self.settings.progress_every and not self._epoch_ends:
            return
        before = self.state.device_seconds
        progress, good_steps = self._progress()
        yield progress
        if collapse := self.collapse_alarm.after(progress):
            yield collapse
        figures = [*progress.losses.values(), *progress.gradient_norms.values()]
        finite = all(figure is not None and math.isfinite(figure) for figure in figures)
        if good_steps < self.state.step or not finite or (self._epoch_ends and not self.state.is_finite()):
            self.divergence = divergence(good_steps)
        elif isinstance(self.state.model, GenerativeModel):
            yield from self._keep_weights_of_budgets(before)

    def _keep_weights_of_budgets(self, before: float) -> Iterator[Event]:
        """Save the averaged weights where a budget has run out since `before`, in device seconds."""
        for minutes in BUDGET_MINUTES:
            if before < 60 * minutes <= self.state.device_seconds:
                with self._untimed():
                    self.state.fit_prior(self.data)
                    path = self.run.budget_path(minutes)
                    self.state.save_average(path)
                    yield Saved(step=self.state.step, file=path.name)

    def _observe(self) -> Iterator[Event]:
        """A sample sheet and a quick distance, where they are due; a stop leaves them to the resumed run."""
        state = self.state
        if state.step in self.sheet_steps and state.sheet_step < state.step:
            with self._untimed():
                yield from self._draw_sheet()
        epoch, every = state.step // self.batches.steps_per_epoch, self.settings.fd_every
        due = self._epoch_ends and every and epoch % every == 0 and state.distance_step < state.step
        if due and self.quick_fd_reference and not self._is_stopping():
            with self._untimed():
                yield from self._measure(*self.quick_fd_reference)

    def _progress(self) -> tuple[Progress, int]:
        """The event, and the steps of the training before the first that was not finite."""
        window = self.state.read_window()
        self._pause()
        step, seconds = self.last_progress
        images = (self.state.step - step) * self.batches.batch_size
        self.last_progress = (self.state.step, self.state.seconds)
        progress = Progress(
            step=self.state.step,
            epoch=self.state.step / self.batches.steps_per_epoch,
            seconds=self.state.seconds,
            device_seconds=self.state.device_seconds,
            images_per_second=images / max(self.state.seconds - seconds, 1e-9),
            losses=window.losses,
            gradient_norms=window.gradient_norms,
            norms=window.norms,
            diagnostics=window.diagnostics,
        )
        return progress, window.good_steps

    def _pause(self) -> None:
        """Add the time since the clock was last set to the training time."""
        lap = self.clock.lap()
        self.state.seconds += lap.seconds
        self.state.device_seconds += lap.device_seconds

    @contextmanager
    def _untimed(self) -> Iterator[None]:
        """What happens inside is no training time."""
        self._pause()
        try:
            yield
        finally:
            self.clock.restart()

    def _load_extractor(self) -> Iterator[Event]:
        """Load the feature classifier for quick distances, if the data set has one."""
        if not self.settings.fd_every or not isinstance(self.state.model, GenerativeModel):
            return
        try:
            extractor = load_extractor(self.data.spec, self.device, self.run.home)
        except MissingFeaturesError as error:
            yield Notice(text=f"no Fréchet distances during training: {error}")
            return
        real = []
        for images in self.data.images[: 5 * self.settings.fd_samples].split(_CHUNK):
            real.append(extractor(images.to(self.device)).features)
            if self._is_stopping():
                return
        self.quick_fd_reference = (extractor, moments(torch.cat(real)))

    def _measure(self, extractor: FeatureExtractor, reference: Moments) -> Iterator[Event]:
        """A quick Fréchet distance of the averaged weights on fixed noise; keeps the best weights."""
        model = self.state.average
        assert isinstance(model, GenerativeModel)
        self.state.fit_prior(self.data, quick=True)
        n, seed = self.settings.fd_samples, self.settings.seed
        every = torch.arange(n, device=self.device) % len(self.data.labels)
        labels = self.data.labels[every] if model.conditional else None
        parts = []
        for images in generate_batches(model, n, labels, seed, self.state.dtype, _CHUNK):
            parts.append(extractor(images).features)
            if self._is_stopping():
                return
        features = torch.cat(parts)
        finite = bool(features.isfinite().all())
        distance = frechet_distance(moments(features), reference) if finite else math.inf
        yield QuickDistance(
            step=self.state.step,
            epoch=self.state.step / self.batches.steps_per_epoch,
            fd=distance if finite else None,
            samples=n,
            extractor_digest=extractor.digest,
        )
        self.state.distance_step = self.state.step
        self.state.since_best += 1
        if distance < self.state.best:
            self.state.best, self.state.since_best = distance, 0
            self.state.save_weights(self.run.checkpoints / "best.safetensors")

    def _draw_sheet(self) -> Iterator[Event]:
        name = f"sheets/step-{self.state.step:08d}.png"
        write_atomically(self.run.results / name, self._sheet())
        self.state.sheet_step = self.state.step
        yield Sheet(step=self.state.step, epoch=self.state.step / self.batches.steps_per_epoch, file=name)

    def _sheet(self) -> bytes:
        """The PNG of samples of fixed noise; of a translation model, of fixed test pairs."""
        model, settings = self.state.average, self.settings
        if isinstance(model, Translates):
            assert self.held_out is not None, "a run of pairs with sheets has its test split"
            return draw_triptychs(model, self.held_out, settings.seed, self.state.dtype)
        assert isinstance(model, GenerativeModel)
        self.state.fit_prior(self.data, quick=True)
        return draw_sheet(model, settings.seed, self.state.dtype)

    def _save_state(self) -> Iterator[Event]:
        with self._untimed():
            path = self.run.checkpoints / f"step-{self.state.step:08d}.safetensors"
            self.state.save(path)
            for old in newest_states(self.run)[_STATES_KEPT:]:
                old.unlink()
            yield Saved(step=self.state.step, file=path.name)

    def _finish(self, reason: str) -> Iterator[Event]:
        if self.settings.patience is not None and self.state.best < math.inf:
            try:
                shapes = self.state.shapes
                best = load_checkpoint(self.run.checkpoints / "best.safetensors", shapes)
                self.state.model.load_state_dict(best.section("model"))
                self.state.average.averaged.load_state_dict(best.section("average"))
            except (CheckpointError, FileNotFoundError) as error:
                yield Notice(text=f"{error}; keeping the last weights instead of the best")
        self.clock.restart()
        self.state.fit_prior(self.data)
        self._pause()
        self.state.save_weights(self.run.checkpoints / "final.safetensors")
        yield Saved(step=self.state.step, file="final.safetensors")
        yield self._ended("finished", reason)

    def _ended(self, status: EndStatus, reason: str) -> Ended:
        return Ended(
            status=status,
            reason=reason,
            step=self.state.step,
            seconds=self.state.seconds,
            device_seconds=self.state.device_seconds,
            peak_memory_mib=devices.peak_memory_mib(self.device),
        )


def _restore_newest(run: Run, state: State) -> Iterator[Event]:
    """Restore the newest state that is whole; damaged ones are named and passed over."""
    for path in newest_states(run):
        try:
            notices = state.restore(path)
        except CheckpointError as error:
            yield Notice(text=f"{error}; taking the checkpoint before it")
            continue
        for text in notices:
            yield Notice(text=text)
        yield Resumed(step=state.step, file=path.name)
        return
    yield Notice(text="no checkpoint to resume from; starting at step 0")
    yield Resumed(step=0, file="")
