"""Image-to-image translation with a conditional GAN (Isola et al. 2017): a U-Net turns a source x into an
image, and a PatchGAN tells pairs of x and its real image from pairs of x and the generated one.

Without its adversary the U-Net learns from the L1 error alone: it then gives the median of what a pixel may
be, which is blurred wherever the source leaves a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import AdversarialLoss, Pix2PixConfig
from gencore.data.batches import Batch
from gencore.models import adversarial, adversarial_diagnostics
from gencore.models.base import Parts, Player, Trainable, sources_of
from gencore.networks import spectral
from gencore.networks.patchgan import PatchDiscriminator, patch_depth
from gencore.networks.translation_unet import TranslationUNet

LOSS: AdversarialLoss = "bce"
REAL_LABEL = 1.0


class Pix2Pix(Trainable):
    """U-Net generator G, against a PatchGAN D where the config has one."""

    def __init__(self, config: Pix2PixConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.generator = TranslationUNet(
            spec.source_channels, spec.channels, spec.size, config.width, config.norm, config.dropout
        )
        betas = (config.beta1, 0.999)
        self.players = {"generator": Player(self.generator, config.generator_learning_rate, betas)}
        if not config.adversarial:
            return
        self.discriminator = PatchDiscriminator(
            spec.source_channels + spec.channels,
            patch_depth(spec.size),
            config.width,
            None if config.spectral_norm else config.norm,
        )
        if config.spectral_norm:
            spectral.normalise(self.discriminator)
        self._generated: list[Tensor] = []  # from the discriminator's turn to the generator's
        discriminator = Player(self.discriminator, config.discriminator_learning_rate, betas)
        self.players = {"discriminator": discriminator} | self.players

    def generate(self, source: Tensor, rng: Generator) -> Tensor:
        """G(x, z), z the dropout masks: (B, Cs, H, W) -> (B, C, H, W), both in [-1, 1]."""
        return self._decode(source, self.generator.draw_masks(len(source), rng))

    def _decode(self, source: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        return torch.tanh(self.generator(source, masks).float())

    def discriminate(self, source: Tensor, image: Tensor) -> Tensor:
        """D(x, y) of source (B, Cs, H, W) and image (B, C, H, W): a logit a patch, (B, h, w)."""
        return self.discriminator(source, image).float().squeeze(1)

    @property
    def averaged(self) -> nn.Module:
        """The generator."""
        return self.generator

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """The discriminator's cross-entropy; the generator's, plus l1_weight times ‖y - G(x, z)‖₁ (eq. 4).

        The generator is judged by the images that the discriminator has just seen: made once for both."""
        x, y = sources_of(batch), batch.images
        if player == "discriminator":
            return self._discriminator_loss(x, y, rng)
        fake = self._generated.pop() if self.config.adversarial else self.generate(x, rng)
        l1 = F.l1_loss(fake, y)
        parts = {"l1": l1.detach()}
        if not self.config.adversarial:
            variance = adversarial_diagnostics.variance_ratio(fake.detach(), y, _one_group(y))
            return self.config.l1_weight * l1, parts | {"variance_ratio": variance}
        adversary = adversarial.LOSSES[LOSS].generator(self.discriminate(x, fake))
        return adversary + self.config.l1_weight * l1, parts | {"generator": adversary.detach()}

    def _discriminator_loss(self, x: Tensor, y: Tensor, rng: Generator) -> tuple[Tensor, Parts]:
        """Half of the cross-entropy: so the discriminator learns slower than the generator (section 3.3)."""
        self.generator.requires_grad_(True)
        fake = self.generate(x, rng)
        self._generated = [fake]
        real, generated = self.discriminate(x, y), self.discriminate(x, fake.detach())
        loss = adversarial.LOSSES[LOSS].discriminator(real, generated, REAL_LABEL) / 2
        parts = {
            "discriminator": loss.detach(),
            "d_real": real.detach().sigmoid().mean(),
            "d_fake": generated.detach().sigmoid().mean(),
            "variance_ratio": adversarial_diagnostics.variance_ratio(fake.detach(), y, _one_group(y)),
        }
        return loss, parts | adversarial_diagnostics.accuracies(
            LOSS, real.detach(), generated.detach(), REAL_LABEL
        )

    def translate(self, source: Tensor, rng: Generator) -> Tensor:
        """As in `Translates`: one pass of the generator, its dropout by `rng`."""
        return self.generate(source, rng)

    def with_noise(self, rng: Generator) -> Callable[[Tensor], Tensor]:
        """As in `TranslatesInOnePass`: with one draw of the dropout masks."""
        return partial(self._decode, masks=self.generator.draw_masks(1, rng))

    @property
    def translation(self) -> str:
        """How `translate` makes its images, in words."""
        noise = f", dropout {self.config.dropout:g}" if self.config.dropout else ""
        return f"one pass of the generator{noise}"


def _one_group(images: Tensor) -> Tensor:
    """Conditions (B, 0), which make images (B, C, H, W) one group."""
    return images.new_empty(len(images), 0)
