"""The state of a training: weights, their average, optimisers, noise; how one step changes it; how it is
saved.

Nothing in a step waits for the device: learning rate, averaging weight and the flag of non-finite values are
tensors on it, so that on a GPU a step can be replayed as a graph (`capture`). Figures and the flag are read
back together, once per window of steps."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from gencore import __version__, devices
from gencore.config.options import RunConfig
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.models import build
from gencore.models.base import FitsPrior, GenerativeModel, Imitates, Trainable
from gencore.networks import spectral
from gencore.store.checkpoints import Checkpoint, MisfitError, Shapes, load_checkpoint, save_checkpoint
from gencore.training.capture import CapturedStep, CudaGraphs, Figures
from gencore.training.optimizers import PlayerOptimizer

_NORM = "norm."  # in the window, before the player's name
_NUMBERS = ("seconds", "device_seconds", "best", "since_best", "sheet_step", "distance_step")  # metadata


class Window(NamedTuple):
    """The figures of the steps since the last progress event: means, and every step's gradient norm by
    player.
    """

    losses: dict[str, float]
    diagnostics: dict[str, float]
    gradient_norms: dict[str, float]
    norms: dict[str, list[float]]
    good_steps: int
    """Steps of the whole training before its first loss or gradient that was not finite."""


@dataclass
class State:
    """All that changes while a run trains, and how it changes in one step."""

    config: RunConfig
    model: Trainable
    average: Trainable
    """A copy of the model whose `averaged` part holds the moving average of weights and buffers."""
    optimizers: dict[str, PlayerOptimizer]
    """By player."""
    rng: Generator
    dtype: torch.dtype
    learning_rate_factor: Tensor
    """What learning rates are multiplied by in this step, a scalar on the device."""
    averaging_weight: Tensor
    """1 - decay of the moving average, a scalar on the device."""
    diverged: Tensor
    """1.0 from the first loss or gradient that is not finite, else 0.0: a scalar on the device."""
    good_steps: Tensor
    """Steps before that, int64 scalar on the device."""
    step: int = 0
    seconds: float = 0.0
    """Of training so far, and those in which the device worked for it; see `clock`."""
    device_seconds: float = 0.0
    window: dict[str, list[Tensor]] = field(default_factory=dict)
    """Figures of each step since the last progress event, as scalars on the device."""
    best: float = math.inf
    """Smallest quick distance so far, and how many measurements ago it was."""
    since_best: int = 0
    sheet_step: int = 0
    """Step of the last sample sheet, and of the last quick distance: a stop may come before those of its
    step.
    """
    distance_step: int = 0
    captured: CapturedStep | None = None
    """The step as a graph, on a device that has them."""

    @classmethod
    def fresh(
        cls,
        config: RunConfig,
        data: ImageData,
        device: torch.device,
        teacher: GenerativeModel | None = None,
    ) -> State:
        """The state before the first step; weights and noise are a function of the config's seed.

        A model that imitates starts from its `teacher`, on the same device."""
        torch.manual_seed(config.training.seed)
        model = build(config.model, data.spec).to(device).to(memory_format=torch.channels_last)
        if teacher is None:
            model.fit_to_data(data, config.training.seed)
        else:
            assert isinstance(model, Imitates)
            model.imitate(teacher)
        average = copy.deepcopy(model).eval().requires_grad_(False)
        state = cls(
            config,
            model,
            average,
            {
                name: PlayerOptimizer(player, config.training, device)
                for name, player in model.players.items()
            },
            Generator(device).manual_seed(config.training.seed),
            devices.precision(config.training.precision, device),
            learning_rate_factor=torch.ones((), device=device),
            averaging_weight=torch.zeros((), device=device),
            diverged=torch.zeros((), device=device),
            good_steps=torch.zeros((), dtype=torch.int64, device=device),
        )
        if device.type == "cuda":
            state.captured = CapturedStep(CudaGraphs(state.rng))
        return state

    def advance(self, batch: Batch, learning_rate_factor: float) -> None:
        """One optimisation step of all players in turn.

        The figures of a player with several turns are those of its last. From the first loss or
        gradient that is not finite, weights, buffers and averages stay as they were before it."""
        self.step += 1
        decay = min(self.config.training.ema_decay, self.step / (self.step + 9))  # faster while all is new
        self.learning_rate_factor.fill_(learning_rate_factor)
        self.averaging_weight.fill_(1 - decay)
        figures = self.captured(self._step, batch) if self.captured else self._step(batch)
        for name, figure in figures.items():
            self.window.setdefault(name, []).append(figure)

    def _step(self, batch: Batch) -> Figures:
        """The part of a step that happens on the device."""
        self.model.train()
        figures: Figures = {}
        modules = [player.module for player in self.model.players.values()]
        buffers = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
        shares = _shares(batch, max(player.turns for player in self.model.players.values()))
        for name, player in self.model.players.items():
            for share in shares[-player.turns :]:
                figures |= self._turn(name, share)
        for buffer, before in buffers:  # a batch normalisation has already counted this step's activations
            buffer.copy_(torch.where(self.diverged.bool(), before, buffer))
        self.good_steps.add_(1 - self.diverged.long())
        self._average()
        return figures

    def _turn(self, name: str, batch: Batch) -> Figures:
        """One move of a player on its own loss; returns the parts of the loss and the gradient's norm."""
        player, optimizer = self.model.players[name], self.optimizers[name]
        for other in self.model.players.values():
            other.module.requires_grad_(other is player)
        with devices.autocast(self.rng.device, self.dtype):
            loss, parts = self.model.loss(name, batch, self.rng)
        loss.backward()
        parameters = list(player.module.parameters())
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.config.training.clip_norm is not None:
            clip_grads_with_norm_(parameters, self.config.training.clip_norm, norm)
        self.diverged.logical_or_((loss.detach() + norm).isfinite().logical_not())
        optimizer.step(self.learning_rate_factor, skip=self.diverged)
        optimizer.zero_grad()
        return parts | {f"{_NORM}{name}": norm}

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights and buffers towards the current ones."""
        self.averaging_weight.mul_(1 - self.diverged)
        ours, theirs = self.average.averaged, self.model.averaged
        pairs = [
            *zip(ours.parameters(), theirs.parameters(), strict=True),
            *zip(ours.buffers(), theirs.buffers(), strict=True),
        ]
        means = [mean for mean, _ in pairs if mean.is_floating_point()]
        steps = torch._foreach_sub([current for mean, current in pairs if mean.is_floating_point()], means)
        torch._foreach_mul_(steps, self.averaging_weight)
        torch._foreach_add_(means, steps)
        for mean, current in pairs:
            if not mean.is_floating_point():
                mean.copy_(current)
        spectral.iterate(ours, skip=self.diverged)  # singular vectors are of these weights, no mean of others

    def fit_prior(self, data: ImageData, quick: bool = False) -> None:
        """Fit the distribution of latents of the averaged model, where it has one.

        The model takes it over, or averaging would mix it with what the model had."""
        if not isinstance(self.average, FitsPrior):
            return
        self.average.fit_prior(data, self.config.training.seed, quick)
        for name in self.average.prior_buffers:
            self.model.averaged.get_buffer(name).copy_(self.average.averaged.get_buffer(name))

    def read_window(self) -> Window:
        """The figures since the last call. Waits for the device."""
        figures = torch.stack(
            [torch.stack(values).float() for values in self.window.values()]
        ).cpu()  # (figures, steps)
        means = dict(zip(self.window, figures.mean(dim=1).tolist(), strict=True))
        steps = dict(zip(self.window, figures.tolist(), strict=True))
        self.window = {}
        return Window(
            losses={
                name: mean
                for name, mean in means.items()
                if not name.startswith(_NORM) and name not in DIAGNOSTICS
            },
            diagnostics={name: mean for name, mean in means.items() if name in DIAGNOSTICS},
            gradient_norms={
                name.removeprefix(_NORM): mean for name, mean in means.items() if name.startswith(_NORM)
            },
            norms={
                name.removeprefix(_NORM): [float(f"{norm:.4g}") for norm in norms]
                for name, norms in steps.items()
                if name.startswith(_NORM)
            },
            good_steps=int(self.good_steps),
        )

    def is_finite(self) -> bool:
        """Whether no loss, gradient or weight has been infinite or NaN. Waits for the device."""
        return not self.diverged and all(x.isfinite().all() for x in self.model.state_dict().values())

    @property
    def shapes(self) -> Shapes:
        """Shapes of the weights and averages that a checkpoint of this model holds."""
        return {name: tuple(tensor.shape) for name, tensor in self._weights().items()}

    def _weights(self) -> dict[str, Tensor]:
        return _prefixed("model", self.model.state_dict()) | _prefixed(
            "average", self.average.averaged.state_dict()
        )

    def save(self, path: Path) -> None:
        """Save all that resuming needs. Raises OSError."""
        window = {name: torch.stack(values) for name, values in self.window.items()}
        tensors = self._weights() | _prefixed("window", window) | {"rng": self.rng.get_state()}
        for name, optimizer in self.optimizers.items():
            tensors |= _prefixed(f"optimizer.{name}", optimizer.state_dict())
        numbers = {name: repr(getattr(self, name)) for name in _NUMBERS}
        save_checkpoint(path, tensors, self._metadata() | {"device": self.rng.device.type} | numbers)

    def save_weights(self, path: Path) -> None:
        """Save what sampling needs. Raises OSError."""
        save_checkpoint(path, self._weights(), self._metadata())

    def save_average(self, path: Path) -> None:
        """Save what sampling from the averaged weights needs. Raises OSError."""
        average = _prefixed("average", self.average.averaged.state_dict())
        save_checkpoint(path, average, self._metadata())

    def restore(self, path: Path) -> list[str]:
        """Become the state in `path`; returns notices of what could not be restored exactly.

        Raises CheckpointError, or ValueError for a whole checkpoint that is of another config or model.
        """
        try:
            return self._take(load_checkpoint(path, self.shapes), path)
        except (MisfitError, KeyError, RuntimeError) as error:  # of another version, or not a state at all
            detail = str(error).partition("\n")[0]
            raise ValueError(
                f"{path} is no state of this model ({detail}); remove it, or train anew with --overwrite"
            ) from error

    def _metadata(self) -> dict[str, str]:
        return {"config": self.config.model_dump_json(), "step": str(self.step), "gencore": __version__}

    def _take(self, checkpoint: Checkpoint, path: Path) -> list[str]:
        theirs = RunConfig.model_validate_json(checkpoint.metadata["config"])
        if difference := self.config.difference(theirs):
            raise ValueError(f"{path} was saved with another config: " + "; ".join(difference))
        self.model.load_state_dict(checkpoint.section("model"))
        self.average.averaged.load_state_dict(checkpoint.section("average"))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(checkpoint.section(f"optimizer.{name}"))
        window = checkpoint.section("window")
        self.window = {name: list(values.to(self.rng.device).unbind()) for name, values in window.items()}
        numbers = checkpoint.metadata
        self.step, self.seconds, self.best = (
            int(numbers["step"]),
            float(numbers["seconds"]),
            float(numbers["best"]),
        )
        self.device_seconds = float(numbers.get("device_seconds", self.seconds))  # absent from older ones
        self.since_best = int(numbers["since_best"])
        self.sheet_step = int(numbers.get("sheet_step", self.step))
        self.distance_step = int(numbers.get("distance_step", self.step))
        self.diverged.zero_()
        self.good_steps.fill_(self.step)
        return self._restore_noise(checkpoint.tensors["rng"], numbers.get("device"))

    def _restore_noise(self, state: Tensor, device: str | None) -> list[str]:
        """Set the generator; one of another kind of device has another algorithm, so it is seeded anew.

        `device` is the type on which `state` was saved; None in older checkpoints, where its size tells.
        """
        here = self.rng.device.type
        if device in (here, None) and state.shape == self.rng.get_state().shape:
            self.rng.set_state(state)
            return []
        seeds = np.random.SeedSequence(self.config.training.seed, spawn_key=(self.step,))
        self.rng.manual_seed(int(seeds.generate_state(1)[0]))
        return [
            f"the checkpoint was saved on {device or 'another device'} and training continues on {here}: "
            f"noise is seeded anew from seed {self.config.training.seed} and step {self.step}, "
            "so figures differ slightly from those of an uninterrupted run"
        ]


def _shares(batch: Batch, count: int) -> list[Batch]:
    """A batch divided into `count` batches; their sizes differ by at most one."""
    divided = [tensor.tensor_split(count) for tensor in batch if tensor is not None]
    return [Batch(*share) for share in zip(*divided, strict=True)]


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
