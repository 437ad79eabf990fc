"""What changes while a run trains: weights, their average, optimizers, noise; how one step changes it; how it is kept.

Nothing in a step waits for the device; figures are read back when the window is.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Adam
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gencore import __version__, devices
from gencore.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from gencore.config import RunConfig
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models import build
from gencore.models.base import Trainable

_NORM = "norm."  # in the window, before the player's name


class Window(NamedTuple):
    """What a progress event says of its steps: mean losses, and gradient norms by player, in the mean and step by step."""

    losses: dict[str, float]
    gradient_norms: dict[str, float]
    norms: dict[str, list[float]]


@dataclass
class State:
    """All that changes while a run trains, and how it changes in one step."""

    config: RunConfig
    model: Trainable
    average: Trainable
    """A copy of the model whose `averaged` part holds the moving average of weights and buffers."""
    optimizers: dict[str, Adam]
    rng: Generator
    dtype: torch.dtype
    step: int = 0
    seconds: float = 0.0
    window: dict[str, list[Tensor]] = field(default_factory=dict)
    """Figures of each step since the last progress event, as scalars on the device."""
    best: float = math.inf
    """Smallest quick distance so far, and how many measurements ago it was."""
    since_best: int = 0

    @classmethod
    def fresh(cls, config: RunConfig, data: ImageData, device: torch.device) -> State:
        torch.manual_seed(config.training.seed)
        model = build(config.model, data.spec).to(device, memory_format=torch.channels_last)
        model.meet(data)
        optimizers = {
            name: Adam(p.module.parameters(), lr=p.learning_rate, betas=p.betas, fused=device.type == "cuda")
            for name, p in model.players.items()
        }
        average = copy.deepcopy(model).eval().requires_grad_(False)
        rng = Generator(device).manual_seed(config.training.seed)
        return cls(config, model, average, optimizers, rng, devices.precision(config.training.precision, device))

    def advance(self, batch: Batch, learning_rate_factor: float) -> None:
        """One optimisation step of all players in turn."""
        self.model.train()
        for name, player in self.model.players.items():
            for other in self.model.players.values():
                other.module.requires_grad_(other is player)
            optimizer = self.optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = player.learning_rate * learning_rate_factor
            with devices.autocast(self.rng.device, self.dtype):
                loss, parts = self.model.loss(name, batch, self.rng)
            loss.backward()
            parameters = list(player.module.parameters())
            norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
            if self.config.training.clip_norm is not None:
                clip_grads_with_norm_(parameters, self.config.training.clip_norm, norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for key, value in {**parts, f"{_NORM}{name}": norm}.items():
                self.window.setdefault(key, []).append(value)
        self.step += 1
        self._average()

    def _average(self) -> None:
        """Move the averaged weights and buffers towards the current ones; faster at first, when all is new."""
        decay = min(self.config.training.ema_decay, self.step / (self.step + 9))
        ours, theirs = self.average.averaged, self.model.averaged
        move = get_ema_multi_avg_fn(decay)
        move(list(ours.parameters()), list(theirs.parameters()), self.step)
        for mean, current in zip(ours.buffers(), theirs.buffers(), strict=True):
            move([mean], [current], self.step) if mean.is_floating_point() else mean.copy_(current)

    def read_window(self) -> Window:
        """The figures since the last call. Waits for the device."""
        figures = torch.stack([torch.stack(values).float() for values in self.window.values()]).cpu()  # (figures, steps)
        means = dict(zip(self.window, figures.mean(dim=1).tolist(), strict=True))
        steps = dict(zip(self.window, figures.tolist(), strict=True))
        self.window = {}
        return Window(
            losses={name: mean for name, mean in means.items() if not name.startswith(_NORM)},
            gradient_norms={name.removeprefix(_NORM): mean for name, mean in means.items() if name.startswith(_NORM)},
            norms={
                name.removeprefix(_NORM): [float(f"{norm:.4g}") for norm in norms]
                for name, norms in steps.items()
                if name.startswith(_NORM)
            },
        )

    def is_finite(self) -> bool:
        """Whether no weight is infinite or NaN. Waits for the device."""
        return all(x.isfinite().all() for x in self.model.state_dict().values())

    def _weights(self) -> dict[str, Tensor]:
        return _prefixed("model", self.model.state_dict()) | _prefixed("average", self.average.averaged.state_dict())

    def save(self, path: Path) -> None:
        """All that resuming needs, as a checkpoint."""
        window = {name: torch.stack(values) for name, values in self.window.items()}
        tensors = self._weights() | _prefixed("window", window) | {"rng": self.rng.get_state()}
        for name, optimizer in self.optimizers.items():
            for index, entries in optimizer.state_dict()["state"].items():
                tensors |= _prefixed(f"optimizer.{name}.{index}", entries)
        numbers = {name: repr(getattr(self, name)) for name in ("seconds", "best", "since_best")}
        save_checkpoint(path, tensors, self._metadata() | numbers)

    def save_weights(self, path: Path) -> None:
        """What sampling needs, as a checkpoint."""
        save_checkpoint(path, self._weights(), self._metadata())

    def restore(self, path: Path) -> None:
        """Become the state in `path`. Raises CheckpointError, or ValueError where it is whole but of another making."""
        checkpoint = load_checkpoint(path)
        try:
            self._take(checkpoint, path)
        except (KeyError, RuntimeError) as error:  # names or shapes of another version, or not a state at all
            detail = str(error).partition("\n")[0]
            raise ValueError(f"{path} is no state of this model ({detail}); remove it, or train anew with --overwrite") from error

    def _metadata(self) -> dict[str, str]:
        return {"config": self.config.model_dump_json(), "step": str(self.step), "gencore": __version__}

    def _take(self, checkpoint: Checkpoint, path: Path) -> None:
        theirs = RunConfig.model_validate_json(checkpoint.metadata["config"])
        if difference := self.config.difference(theirs):
            raise ValueError(f"{path} was saved with another config: " + "; ".join(difference))
        self.model.load_state_dict(checkpoint.section("model"))
        self.average.averaged.load_state_dict(checkpoint.section("average"))
        for name, optimizer in self.optimizers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            for key, tensor in checkpoint.section(f"optimizer.{name}").items():
                index, entry = key.split(".", 1)
                entries.setdefault(int(index), {})[entry] = tensor
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        self.rng.set_state(checkpoint.tensors["rng"])
        window = checkpoint.section("window")
        self.window = {name: list(values.to(self.rng.device).unbind()) for name, values in window.items()}
        numbers = checkpoint.metadata
        self.step, self.seconds, self.best = int(numbers["step"]), float(numbers["seconds"]), float(numbers["best"])
        self.since_best = int(numbers["since_best"])


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
