"""Spectral normalisation (Miyato et al. 2018): each weight is divided by its largest singular value.

torch's parametrisation estimates that value by one power iteration at each pass in training. An average of
weights is never in training, so it takes its iterations from `iterate`; what leaves torch is made plain by
`bake`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize


class _InFloat32(nn.Module):
    """A parametrisation outside of autocast, which would round the singular value to bfloat16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return self.inner(weight)


def normalise(network: nn.Module) -> None:
    """Give every linear and convolutional layer of `network` a weight of spectral norm 1, as a matrix."""
    for layer in [*network.modules()]:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            parametrizations.spectral_norm(layer)
            steps = _parametrised(layer)
            steps[0] = _InFloat32(steps[0])


@torch.no_grad()
def iterate(network: nn.Module, skip: Tensor) -> None:
    """One power iteration of every spectral norm in `network`, or none where `skip`, a scalar, is 1."""
    for layer in _normalised_layers(network):
        steps = _parametrised(layer)
        vectors = [(vector, vector.clone()) for vector in steps.buffers()]
        steps.train()
        steps()
        steps.eval()
        for vector, before in vectors:
            vector.copy_(torch.where(skip.bool(), before, vector))


def bake(network: nn.Module) -> None:
    """Replace every normalised weight of `network` by its value now, as a plain parameter.

    Not for a network with deep copies: torch would take the weights away from those."""
    for layer in [*_normalised_layers(network)]:
        parametrize.remove_parametrizations(layer, "weight")


def _normalised_layers(network: nn.Module) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight"))


def _parametrised(layer: nn.Module) -> parametrize.ParametrizationList:
    """How the weight of a normalised layer is computed."""
    steps = layer.get_submodule("parametrizations.weight")
    assert isinstance(steps, parametrize.ParametrizationList)
    return steps
