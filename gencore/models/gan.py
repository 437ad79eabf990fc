"""Generative adversarial network (Goodfellow et al. 2014); conditional where asked (Mirza & Osindero 2014).
Its losses and penalties are in `adversarial`.

Against the collapse to one picture a class: labels enter as plain one-hot vectors, the discriminator sees the
spread of its batch, and samples come from averaged weights."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import GANConfig
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models import adversarial, adversarial_diagnostics
from gencore.models.base import GenerativeModel, Parts, Player
from gencore.models.clusters import Clusters
from gencore.networks import dcgan, mlp, spectral


class GAN(GenerativeModel):
    """Generator against discriminator (Goodfellow et al. 2014), DCGAN or MLP."""

    def __init__(self, config: GANConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec, self.conditional = config, spec, config.conditional
        d, c, size = config.latent_dim, spec.channels, spec.size
        k = spec.classes if config.conditional else config.clusters
        if config.network == "mlp":
            self.generator: nn.Module = mlp.Decoder(d, k, c, size, hidden=(256, 512, 1024))
            self.discriminator: nn.Module = mlp.Encoder(c, k, size, 1, hidden=(1024, 512, 256))
        else:
            folded = config.network == "folded"
            self.generator = dcgan.Decoder(d, k, c, size, config.width, config.depth, folded)
            self.discriminator = dcgan.Encoder(
                c,
                k,
                size,
                1,
                config.width,
                config.depth,
                config.minibatch_stddev,
                folded,
                config.discriminator_norm,
            )
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
            loss = losses.generator(self.discriminate(self._generated.pop(), condition))
            return loss, {"generator": loss.detach()}
        self.generator.requires_grad_(True)
        fake = self.decode(self.draw_latent(len(batch.images), rng), condition)
        self._generated = [fake]
        real = self.discriminate(batch.images, condition)
        generated = self.discriminate(fake.detach(), condition)
        loss = losses.discriminator(real, generated, self.config.real_label)
        penalties = self._penalties(batch.images, fake.detach(), condition, rng)
        total = sum((weight * value for weight, value in penalties.values()), start=loss)
        parts = {name: value.detach() for name, (_, value) in penalties.items()}
        parts |= {"discriminator": total.detach()} | self._outputs(real, generated)
        return total, parts | self._diagnostics(real, generated, batch.images, fake.detach(), condition)

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

    def _diagnostics(
        self, outputs_real: Tensor, outputs_generated: Tensor, real: Tensor, fake: Tensor, condition: Tensor
    ) -> Parts:
        """How the players stand, by outputs (B,) and images (B, C, H, W) of one condition each."""
        config, outputs = self.config, (outputs_real.detach(), outputs_generated.detach())
        return adversarial_diagnostics.accuracies(config.loss, *outputs, config.real_label) | {
            "lipschitz_estimate": adversarial_diagnostics.lipschitz_estimate(*outputs, real, fake),
            "variance_ratio": adversarial_diagnostics.variance_ratio(fake, real, condition),
        }

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
