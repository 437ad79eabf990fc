"""The table of models: a new family is a config, a file and a row here."""

from __future__ import annotations

from gencore.config import ClassifierConfig, Config, DDPMConfig, GANConfig, ModelConfig, VAEConfig
from gencore.data.registry import DatasetSpec
from gencore.models.base import Trainable
from gencore.models.classifier import Classifier
from gencore.models.ddpm import DDPM
from gencore.models.gan import GAN
from gencore.models.vae import VAE

MODELS: dict[type[Config], type[Trainable]] = {
    VAEConfig: VAE,
    GANConfig: GAN,
    DDPMConfig: DDPM,
    ClassifierConfig: Classifier,
}


def build(config: ModelConfig, spec: DatasetSpec) -> Trainable:
    """The model that `config` describes, for images and classes as in `spec`, freshly initialised."""
    return MODELS[type(config)](config, spec)
