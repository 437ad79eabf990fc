"""The optimiser of a player: Adam, AdamW, RMSprop, SGD, or Muon for its convolutions with Adam for the rest.

A step never waits for the device, changes nothing where a device flag is set, and keeps its moments in the
memory format of their parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Muon, RMSprop

from gencore.config.options import TrainingConfig
from gencore.models.base import Player

SGD_MOMENTUM = 0.9
"""As usual (Sutskever et al. 2013)."""


class PlayerOptimizer:
    """The optimiser that a training's config names, for the parameters of one player."""

    def __init__(self, player: Player, training: TrainingConfig, device: torch.device) -> None:
        self.name, self.learning_rate = training.optimizer, player.learning_rate
        parameters = list(player.module.parameters())
        self.convolutions = [p for p in parameters if p.ndim == 4] if self.name == "muon" else []
        self.matrices = [nn.Parameter(as_matrix(p.detach())) for p in self.convolutions]
        rest = [p for p in parameters if not any(p is one for one in self.convolutions)]
        has_adam = self.name not in ("rmsprop", "sgd")
        self.adam = _adam(rest, player, training, device) if has_adam else None
        self.moved = self.matrices if has_adam else parameters
        """What `linear` steps: the convolutions as matrices, or all parameters."""
        self.linear = self._linear(training, device)
        """An optimiser with a step linear in its learning rate: Muon, RMSprop or SGD. None for Adam alone."""

    def _linear(self, training: TrainingConfig, device: torch.device) -> Muon | RMSprop | SGD | None:
        match self.name:
            case "muon" if self.moved:
                return Muon(self.moved, training.muon_learning_rate, weight_decay=0)
            case "rmsprop":
                return RMSprop(self.moved, self.learning_rate, capturable=device.type == "cuda")
            case "sgd":
                return SGD(self.moved, self.learning_rate, momentum=SGD_MOMENTUM)
            case _:
                return None

    def step(self, factor: Tensor, skip: Tensor) -> None:
        """One step with learning rates times `factor`, or none where `skip` is 1.0; both device scalars.

        A fused Adam takes the flag as the attribute `found_inf`, as torch's GradScaler does. The others take
        no tensors on the device for both, but without weight decay their step is linear in the learning rate:
        it is taken at the full rate, and of the way `factor` or nothing is kept."""
        if self.adam is not None:
            for group in self.adam.param_groups:  # looked up anew: a restored state has tensors of its own
                torch.mul(factor, self.learning_rate, out=group["lr"])
            self.adam.found_inf = skip  # type: ignore[attr-defined]  # no attribute of the class, but read by it
            self.adam.step()
        if self.linear is None:
            return
        for matrix, parameter in zip(self.matrices, self.convolutions, strict=True):
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad)
        moments = [x for entries in self.linear.state.values() for x in entries.values()]
        with torch.no_grad():
            before, before_moments = ([x.clone() for x in group] for group in (self.moved, moments))
            self.linear.step()
            for x, old in zip(self.moved, before, strict=True):
                x.copy_(torch.where(skip.bool(), old, torch.lerp(old, x, factor)))
            for x, old in zip(moments, before_moments, strict=True):
                x.copy_(torch.where(skip.bool(), old, x))

    def zero_grad(self) -> None:
        """Forget the gradients."""
        if self.adam is not None:
            self.adam.zero_grad(set_to_none=True)
        for parameter in (*self.convolutions, *self.moved):
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """All moments and counters, by `<index of the parameter>.<entry>`.

        Those of other optimisers than Adam come after `muon.`, `rmsprop.` or `sgd.`."""
        state: dict[str, Tensor] = {}
        for optimizer, prefix in ((self.adam, ""), (self.linear, f"{self.name}.")):
            for index, entries in (optimizer.state_dict()["state"] if optimizer else {}).items():
                state |= {f"{prefix}{index}.{entry}": tensor for entry, tensor in entries.items()}
        return state

    def load_state_dict(self, saved: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave.

        A checkpoint is contiguous and parameters are channels-last. A fused Adam needs moments in the memory
        format of their parameter: on CUDA it refuses others, on a CPU it reads them in the wrong order."""
        prefix = f"{self.name}."
        of_linear = {k.removeprefix(prefix): x for k, x in saved.items() if k.startswith(prefix)}
        if self.adam is not None:
            _restore(self.adam, {k: x for k, x in saved.items() if not k.startswith(prefix)})
        if self.linear is not None:
            _restore(self.linear, of_linear)


def as_matrix(weights: Tensor) -> Tensor:
    """A convolution's weights (out, in, k, k) as a matrix (out, k k in); a view if they are channels-last."""
    return weights.permute(0, 2, 3, 1).flatten(1)


def _adam(
    parameters: list[nn.Parameter], player: Player, training: TrainingConfig, device: torch.device
) -> Adam:
    """Adam or AdamW, with its learning rate on the device."""
    adam: Adam = (AdamW if training.optimizer == "adamw" else Adam)(
        parameters,
        player.learning_rate,
        player.betas,
        weight_decay=training.weight_decay if training.optimizer == "adamw" else 0.0,
        fused=True,
        capturable=device.type == "cuda",
    )
    for group in adam.param_groups:  # a tensor on the device; the constructor would read its value
        group["lr"] = torch.tensor(player.learning_rate, device=device)
    return adam


def _restore(optimizer: Adam | Muon | RMSprop | SGD, saved: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in saved.items():
        index, entry = key.split(".", 1)
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, entries in optimizer.state.items():
        for entry, tensor in entries.items():
            if tensor.shape == parameter.shape:
                entries[entry] = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
