"""The options of models that translate a source image: pix2pix, and diffusion conditioned on the source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gencore.config.datasets import LARGEST_PAIRED_SIZE
from gencore.config.model_sections import Kind, ModelConfig, Sampler

TranslationNorm = Literal["batch", "instance"]
_JITTER = "Crop and flip the pairs of a batch at random, source and image alike; not for digits and letters."


class Pix2PixConfig(ModelConfig):
    """Image-to-image translation by a U-Net against a PatchGAN (Isola et al. 2017)."""

    family: Literal["pix2pix"] = "pix2pix"
    width: int = Field(
        32,
        ge=8,
        le=256,
        multiple_of=8,
        description="Channels at half the side, in both networks; 64 in the paper.",
    )
    norm: TranslationNorm = Field(
        "batch",
        description="Normalisation in both networks: over the batch, or of each map of each image alone.",
    )
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of the values that is set to 0 in the generator's coarse decoder blocks, in "
        "training and in sampling: the model's only noise. 0 makes it a function of the source.",
    )
    adversarial: bool = Field(
        True, description="Train against a PatchGAN; without it the U-Net learns from the L1 error alone."
    )
    l1_weight: float = Field(
        100.0, ge=0, le=10_000, description="Weight of the L1 error, next to an adversarial loss of weight 1."
    )
    spectral_norm: bool = Field(
        False,
        description="Divide the PatchGAN's weights by their largest singular value, in place of its "
        "normalisation layers.",
    )
    jitter: bool = Field(False, description=_JITTER)
    generator_learning_rate: float = Field(2e-4, gt=0, description="Learning rate of the generator.")
    discriminator_learning_rate: float = Field(2e-4, gt=0, description="Learning rate of the PatchGAN.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's first-moment decay.")

    @property
    def kind(self) -> Kind:
        """As in ModelConfig: whether there is a PatchGAN."""
        return "plain" if self.adversarial else "without-adversary"

    @property
    def largest_size(self) -> int:
        """As in ModelConfig."""
        return LARGEST_PAIRED_SIZE

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Pix2PixConfig:
        if self.adversarial:
            return self
        if not self.l1_weight:
            raise ValueError(
                "l1_weight is 0 and adversarial is false, so there is nothing to learn from; set l1_weight "
                "to 100, or adversarial to true"
            )
        if self.spectral_norm:
            raise ValueError(
                "spectral_norm acts on the PatchGAN, which adversarial false leaves out; set spectral_norm "
                "to false, or adversarial to true"
            )
        return self


class PaletteConfig(ModelConfig):
    """Image-to-image translation by diffusion: a DDPM whose U-Net also gets the source (Saharia et al. 2022).

    It predicts v at logit-normal noise levels of the linear schedule, in standardised pixels."""

    family: Literal["palette"] = "palette"
    width: int = Field(
        48, ge=16, le=512, multiple_of=16, description="Channels at the U-Net's fine resolution."
    )
    depth: int = Field(1, ge=1, le=8, description="Residual blocks at each resolution, down and up.")
    attention: bool = Field(
        False, description="Self-attention between all places at the U-Net's coarsest resolution."
    )
    timesteps: int = Field(1000, ge=2, le=10_000, description="Length T of the noising chain.")
    sampler: Sampler = Field(
        "dpm-solver++",
        description="Sampler; `ddpm` is the ancestral one, which takes every step of the chain.",
    )
    sampling_steps: int = Field(
        10, ge=1, le=10_000, description="Steps of that sampler (`ddpm` always takes T)."
    )
    jitter: bool = Field(False, description=_JITTER)
    learning_rate: float = Field(2e-3, gt=0, description="Learning rate.")

    @model_validator(mode="after")
    def _steps_within_the_chain(self) -> PaletteConfig:
        if self.sampling_steps > self.timesteps:
            raise ValueError(
                f"sampling_steps is {self.sampling_steps}, more than timesteps {self.timesteps}; "
                "lower sampling_steps"
            )
        return self
