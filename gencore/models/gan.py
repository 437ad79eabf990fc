"""Generative adversarial network (Goodfellow et al. 2014); conditional where asked (Mirza & Osindero 2014).
Its losses and penalties are in `adversarial`, its networks in `gan_networks`.

Against the collapse to one picture a class: labels enter as plain one-hot vectors unless the config says
otherwise, the discriminator sees the spread of its batch, and samples come from averaged weights."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import GANConfig
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models import adversarial, adversarial_diagnostics, gan_networks
from gencore.models.augmentation import augment
from gencore.models.base import GenerativeModel, Parts, Player
from gencore.models.clusters import Clusters
from gencore.networks import spectral


class GAN(GenerativeModel):
    """Generator against discriminator (Goodfellow et al. 2014)."""

    def __init__(self, config: GANConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec, self.conditional = config, spec, config.conditional
        k = spec.classes if config.conditional else config.clusters
        self.generator = gan_networks.generator(config, k, spec)
        self.discriminator = gan_networks.discriminator(config, k, spec)
        if config.spectral_norm == "both":
            spectral.normalise(self.generator)
        if config.spectral_norm != "none":
            spectral.normalise(self.discriminator)
        if config.clusters:
            self.generator.add_module("clusters", Clusters(config.clusters, spec))
        self._generated: list[Tensor] = []  # from the discriminator's turn to the generator's
        betas = (config.beta1, 0.999)
        self.players = {
            "discriminator": Player(
                self.discriminator,
                config.discriminator_learning_rate,
                betas,
                turns=config.discriminator_steps,
            ),
            "generator": Player(self.generator, config.generator_learning_rate, betas),
        }

    def fit_to_data(self, data: ImageData, seed: int) -> None:
        """Find the clusters, where the model has them."""
        if self.clusters:
            self.clusters.fit(data, seed)

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        """G(z|y): (B, latent_dim), (B, condition_dim) -> (B, C, H, W) in [-1, 1]."""
        return torch.tanh(self.generator(z, condition).float())

    def discriminate(self, x: Tensor, condition: Tensor) -> Tensor:
        """D(x|y), high for real: (B,), a logit under the loss bce."""
        return self.discriminator(x, condition).float().squeeze(1)

    @property
    def averaged(self) -> nn.Module:
        """The generator."""
        return self.generator

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """The player's side of the adversarial loss, with the discriminator's penalties.

        The generator is judged by the images that the discriminator has just seen: made once for both."""
        condition = self.condition_of(batch.images, batch.labels)
        losses = adversarial.LOSSES[self.config.loss]
        if player == "generator":
            generated = self.discriminate(self._augmented(self._generated.pop(), rng), condition)
            loss = losses.generator(generated)
            return loss, {"generator": loss.detach()}
        self.generator.requires_grad_(True)
        fake = self.decode(self.draw_latent(len(batch.images), rng), condition)
        self._generated = [fake]
        seen_real, seen_fake = (self._augmented(x, rng) for x in (batch.images, fake.detach()))
        real = self.discriminate(seen_real, condition)
        generated = self.discriminate(seen_fake, condition)
        loss = losses.discriminator(real, generated, self.config.real_label)
        penalties = self._penalties(seen_real, seen_fake, condition, rng)
        total = sum((weight * value for weight, value in penalties.values()), start=loss)
        parts = {name: value.detach() for name, (_, value) in penalties.items()}
        parts |= {"discriminator": total.detach()} | self._outputs(real, generated)
        parts |= self._diagnostics(real.detach(), generated.detach(), seen_real, seen_fake)
        variance = adversarial_diagnostics.variance_ratio(fake.detach(), batch.images, condition)
        return total, parts | {"variance_ratio": variance}

    def _augmented(self, images: Tensor, rng: Generator) -> Tensor:
        """What the discriminator sees of images (B, C, H, W)."""
        return augment(images, self.config.augmentation, rng)

    def _penalties(
        self, real: Tensor, fake: Tensor, condition: Tensor, rng: Generator
    ) -> dict[str, tuple[float, Tensor]]:
        """The penalties on the discriminator that the config asks for, with their weights."""
        config, penalties = self.config, {}
        if config.gradient_penalty:
            one_sided = config.penalty == "one-sided"
            value = adversarial.gradient_penalty(self.discriminate, real, fake, condition, rng, one_sided)
            penalties["gradient_penalty"] = (config.gradient_penalty, value)
        if config.r1:
            penalties["r1"] = (config.r1, adversarial.r1_penalty(self.discriminate, real, condition))
        return penalties

    def _outputs(self, real: Tensor, generated: Tensor) -> Parts:
        """The mean of D on real and on generated images: as probabilities where outputs are logits."""
        real, generated = real.detach(), generated.detach()
        if self.config.loss == "bce":
            return {"d_real": real.sigmoid().mean(), "d_fake": generated.sigmoid().mean()}
        return {"output_real": real.mean(), "output_fake": generated.mean()}

    def _diagnostics(self, real: Tensor, generated: Tensor, seen_real: Tensor, seen_fake: Tensor) -> Parts:
        """How the players stand, by D's outputs (B,) on the images (B, C, H, W) that it saw."""
        slope = adversarial_diagnostics.lipschitz_estimate(real, generated, seen_real, seen_fake)
        told = adversarial_diagnostics.accuracies(self.config.loss, real, generated, self.config.real_label)
        return told | {"lipschitz_estimate": slope}

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """z (n, latent_dim) from N(0, I)."""
        return torch.randn(n, self.config.latent_dim, device=self.device, generator=rng)

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """n images (n, C, H, W) in [-1, 1] of latents from `draw_latent`."""
        return self.decode(self.draw_latent(n, rng), self.draw_condition(n, labels, rng))

    @property
    def sampling(self) -> str:
        """How `sample` generates its images, in words."""
        clusters = f", one of {len(self.clusters)} clusters by their shares" if self.clusters else ""
        return f"z from N(0, I){clusters}, one pass of the generator"
