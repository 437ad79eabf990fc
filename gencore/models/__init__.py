"""Model families: their losses and samplers. `gencore.config.families` lists them."""

from __future__ import annotations

from importlib import import_module

from gencore.config.datasets import DatasetSpec
from gencore.config.families import family_of
from gencore.config.options import ModelConfig
from gencore.models.base import Trainable


def build(config: ModelConfig, spec: DatasetSpec) -> Trainable:
    """The model that `config` describes, for images and classes as in `spec`, freshly initialised."""
    module, _, name = family_of(config).implementation.partition(":")
    kind: type[Trainable] = getattr(import_module(module), name)
    model = kind(config, spec)  # each family's class takes its own config
    assert isinstance(model, Trainable), f"{name} is not a Trainable"
    return model
