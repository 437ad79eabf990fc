"""The optimiser of a player: Adam, AdamW, or Muon for its convolutions with Adam for the rest.

A step never waits for the device, changes nothing where a device flag is set, and keeps its moments in the
memory format of their parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Muon

from gencore.config.options import TrainingConfig
from gencore.models.base import Player


class PlayerOptimizer:
    """The optimiser that a training's config names, for the parameters of one player."""

    def __init__(self, player: Player, training: TrainingConfig, device: torch.device) -> None:
        parameters = list(player.module.parameters())
        self.learning_rate, self.muon_learning_rate = player.learning_rate, training.muon_learning_rate
        self.convolutions = [p for p in parameters if p.ndim == 4] if training.optimizer == "muon" else []
        rest = [p for p in parameters if not any(p is one for one in self.convolutions)]
        weight_decay = training.weight_decay if training.optimizer == "adamw" else 0.0
        self.adam: Adam = (AdamW if training.optimizer == "adamw" else Adam)(
            rest,
            player.learning_rate,
            player.betas,
            weight_decay=weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        for group in self.adam.param_groups:  # a tensor on the device; the constructor would read its value
            group["lr"] = torch.tensor(player.learning_rate, device=device)
        self.matrices = [nn.Parameter(as_matrix(p.detach())) for p in self.convolutions]
        self.muon = (
            Muon(self.matrices, training.muon_learning_rate, weight_decay=0) if self.matrices else None
        )

    def step(self, factor: Tensor, skip: Tensor) -> None:
        """One step with learning rates times `factor`, or none where `skip` is 1.0; both device scalars.

        A fused Adam takes the flag as the attribute `found_inf`, as torch's GradScaler does. Muon takes no
        tensors on the device for either, but its step is linear in the learning rate without weight decay: it
        is taken at the full rate, and of the way `factor` or nothing is kept."""
        for group in self.adam.param_groups:  # looked up anew: a restored state has tensors of its own
            torch.mul(factor, self.learning_rate, out=group["lr"])
        self.adam.found_inf = skip  # type: ignore[attr-defined]  # no attribute of the class, but read by it
        self.adam.step()
        if self.muon is None:
            return
        for matrix, parameter in zip(self.matrices, self.convolutions, strict=True):
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad)
        moments = [x for entries in self.muon.state.values() for x in entries.values()]
        with torch.no_grad():
            before, before_moments = ([x.clone() for x in group] for group in (self.matrices, moments))
            self.muon.step()
            for x, old in zip(self.matrices, before, strict=True):
                x.copy_(torch.where(skip.bool(), old, torch.lerp(old, x, factor)))
            for x, old in zip(moments, before_moments, strict=True):
                x.copy_(torch.where(skip.bool(), old, x))

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.adam.zero_grad(set_to_none=True)
        for parameter in (*self.convolutions, *self.matrices):
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """All moments and counters, by `<index of the parameter>.<entry>`; those of Muon after `muon.`."""
        state = {
            f"{index}.{entry}": tensor
            for index, entries in self.adam.state_dict()["state"].items()
            for entry, tensor in entries.items()
        }
        for index, entries in (self.muon.state_dict()["state"] if self.muon else {}).items():
            state |= {f"muon.{index}.{entry}": tensor for entry, tensor in entries.items()}
        return state

    def load_state_dict(self, saved: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave.

        A checkpoint is contiguous and parameters are channels-last. A fused Adam needs moments in the memory
        format of their parameter: on CUDA it refuses others, on a CPU it reads them in the wrong order."""
        of_muon = {k.removeprefix("muon."): x for k, x in saved.items() if k.startswith("muon.")}
        _restore(self.adam, {k: x for k, x in saved.items() if not k.startswith("muon.")})
        if self.muon:
            _restore(self.muon, of_muon)


def as_matrix(weights: Tensor) -> Tensor:
    """A convolution's weights (out, in, k, k) as a matrix (out, k k in); a view if they are channels-last."""
    return weights.permute(0, 2, 3, 1).flatten(1)


def _restore(optimizer: Adam | Muon, saved: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in saved.items():
        index, entry = key.split(".", 1)
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, entries in optimizer.state.items():
        for entry, tensor in entries.items():
            if tensor.shape == parameter.shape:
                entries[entry] = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
