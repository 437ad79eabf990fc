"""Variational autoencoder (Kingma & Welling 2014) with a Bernoulli or a Gaussian decoder.

Sampling from N(0, I) meets codes that no image was encoded to. Drawing them from a Gaussian mixture fitted to
the training images' codes instead costs nothing in training and is offered beside it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import VAEConfig
from gencore.data.batches import Batch, dequantise
from gencore.data.sources import ImageData
from gencore.models.base import GenerativeModel, Parts, Player
from gencore.models.mixture import fit_mixture
from gencore.networks import dcgan, mlp

FIT, QUICK_FIT = (60_000, 20), (20_000, 10)
"""Training images and most iterations: of the mixture that is kept, and of those along a training.

A component of 20 dimensions has 231 parameters, so images count for more than iterations."""


ROUNDING_VARIANCE = (2 / 255) ** 2 / 12
"""Of the error in [-1, 1] of pixels that are rounded to 256 levels."""


class Autoencoder(nn.Module):
    """Encoder, decoder, and the mixture that replaces the prior once it is fitted (all zeros before)."""

    mixture_weight: Tensor
    mixture_mean: Tensor
    mixture_cholesky: Tensor

    def __init__(self, config: VAEConfig, spec: DatasetSpec) -> None:
        super().__init__()
        d, c, size = config.latent_dim, spec.channels, spec.size
        if config.network == "conv":
            self.encoder: nn.Module = dcgan.Encoder(c, 0, size, 2 * d, config.width, config.depth)
            self.decoder: nn.Module = dcgan.Decoder(d, 0, c, size, config.width, config.depth)
        else:
            self.encoder = mlp.Encoder(c, 0, size, 2 * d, hidden=(400,))
            self.decoder = mlp.Decoder(d, 0, c, size, hidden=(400,))
        k = config.mixture_components
        self.mixture_weight: Tensor
        self.mixture_mean: Tensor
        self.mixture_cholesky: Tensor
        self.register_buffer("mixture_weight", torch.zeros(k))
        self.register_buffer("mixture_mean", torch.zeros(k, d))
        self.register_buffer("mixture_cholesky", torch.zeros(k, d, d))
        self.mixture_is_fitted = False  # kept on the host, so that sampling does not read it from the device
        self.register_load_state_dict_post_hook(_note_mixture)


def _note_mixture(autoencoder: nn.Module, incompatible: object) -> None:
    """After weights were loaded, note whether they hold a fitted mixture."""
    assert isinstance(autoencoder, Autoencoder)
    autoencoder.mixture_is_fitted = bool(autoencoder.mixture_weight.any())


class VAE(GenerativeModel):
    """Variational autoencoder (Kingma & Welling 2014) with a Bernoulli or a Gaussian decoder."""

    conditional = False
    inversion_passes = 1
    prior_buffers = ("mixture_weight", "mixture_mean", "mixture_cholesky")

    def __init__(self, config: VAEConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.autoencoder = Autoencoder(config, spec)
        self.players = {"autoencoder": Player(self.autoencoder, config.learning_rate)}

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x): (B, C, H, W) in [-1, 1] -> two of (B, latent_dim)."""
        mu, logvar = self.autoencoder.encoder(x, _no_condition(x)).float().chunk(2, dim=1)
        return mu, logvar.clamp(-30, 20)

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        """The means of the pixels as images in [-1, 1]: (B, latent_dim), (B, 0) -> (B, C, H, W)."""
        return _mean(self.autoencoder.decoder(z, condition).float())

    @property
    def averaged(self) -> nn.Module:
        """Encoder, decoder and the fitted prior."""
        return self.autoencoder

    def invert(self, x: Tensor, condition: Tensor) -> Tensor:
        """The mean of q(z|x), (B, latent_dim)."""
        return self.encode(x)[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Decoded from the mean of q(z|x)."""
        return self.decode(self.encode(x)[0], _no_condition(x))

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """The negative ELBO in nats an image (eq. 10), its KL term weighted by beta."""
        mu, logvar = self.encode(batch.images)
        z = reparameterise(mu, logvar, rng)
        logits = self.autoencoder.decoder(z, _no_condition(z)).float()
        reconstruction = LIKELIHOODS[self.config.likelihood](logits, batch.images)
        kl = kl_divergence(mu, logvar).mean()
        total = reconstruction + self.config.beta * kl
        return total, {"reconstruction": reconstruction.detach(), "kl": kl.detach()}

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """z (n, latent_dim) from the prior that `sampling` names."""
        z = torch.randn(n, self.config.latent_dim, device=self.device, generator=rng)
        return self._to_mixture(z, rng) if self._has_mixture else z

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """n images (n, C, H, W) in [-1, 1] of latents from `draw_latent`."""
        return self.decode(self.draw_latent(n, rng), self.draw_condition(n, labels, rng))

    @property
    def sampling(self) -> str:
        """How `sample` generates its images, in words."""
        if self._has_mixture:
            components = int(self.autoencoder.mixture_weight.count_nonzero())
            return f"z from a Gaussian mixture of {components} components fitted to training codes"
        unfinished = ", the mixture is not fitted yet" if self.config.prior == "mixture" else ""
        return f"z from N(0, I){unfinished}"

    @property
    def _has_mixture(self) -> bool:
        return self.config.prior == "mixture" and self.autoencoder.mixture_is_fitted

    def _to_mixture(self, noise: Tensor, rng: Generator) -> Tensor:
        """Each row of standard normal noise takes its place in a component drawn by weight."""
        a = self.autoencoder
        component = torch.multinomial(a.mixture_weight, len(noise), replacement=True, generator=rng)
        return a.mixture_mean[component] + torch.einsum("nij,nj->ni", a.mixture_cholesky[component], noise)

    @torch.no_grad()
    def fit_prior(self, data: ImageData, seed: int, quick: bool = False) -> None:
        """Fit the mixture to codes z ~ q(z|x) of as many training images as FIT, or QUICK_FIT, says."""
        if self.config.prior != "mixture":
            return
        images, iterations = QUICK_FIT if quick else FIT
        rng = Generator(self.device).manual_seed(seed)
        chosen = torch.randperm(len(data.images), device=self.device, generator=rng)[:images]
        codes = torch.cat(
            [reparameterise(*self.encode(dequantise(data.images[part])), rng) for part in chosen.split(1000)]
        )
        components = min(self.config.mixture_components, len(codes) // (2 * self.config.latent_dim) or 1)
        mixture = fit_mixture(codes, components, seed, iterations)
        a = self.autoencoder
        a.mixture_weight.zero_()[:components] = mixture.weight
        a.mixture_mean[:components] = mixture.mean
        a.mixture_cholesky[:components] = mixture.cholesky
        a.mixture_is_fitted = True


def reparameterise(mu: Tensor, logvar: Tensor, rng: Generator) -> Tensor:
    """z = mu + sigma * eps with eps ~ N(0, I) (section 2.4)."""
    eps = torch.randn(mu.shape, device=mu.device, generator=rng)
    return mu + torch.exp(0.5 * logvar) * eps


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp logvar) || N(0, I)) of each row in nats (appendix B): (B, d), (B, d) -> (B,)."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Cross-entropy in nats an image of pixels, as probabilities of white, with the decoder's (appendix C.1).

    logits (B, C, H, W), images (B, C, H, W) in [-1, 1] -> a scalar."""
    target = (images + 1) / 2  # BCE wants [0, 1]
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum((1, 2, 3)).mean()


def gaussian_loss(logits: Tensor, images: Tensor) -> Tensor:
    """-log p(x|z) in nats an image under N(mean, s I), s the variance that suits this batch best.

    logits (B, C, H, W), images (B, C, H, W) in [-1, 1] -> a scalar; of a density, so it may be negative.

    With m the mean squared error over the batch and its pixels, an image of D pixels has on average

        -log p = D/2 (log(2 pi s) + m / s),

    whose derivative D/2 (1/s - m/s^2) is 0 at s = m only: s needs no gradient, and no weight between this
    term and the KL term is to be chosen (Rybkin et al. 2021, sigma-VAE). s is not taken below the variance
    of rounding to 256 levels, as the density of rounded pixels has no bound."""
    error = (_mean(logits) - images).square().mean()
    s = error.detach().clamp(min=ROUNDING_VARIANCE)
    return images[0].numel() / 2 * ((2 * math.pi * s).log() + error / s)


LIKELIHOODS = {"bernoulli": bernoulli_loss, "gaussian": gaussian_loss}
"""By the name in a config."""


def _mean(logits: Tensor) -> Tensor:
    """The mean of each pixel in [-1, 1], of either likelihood."""
    return torch.sigmoid(logits) * 2 - 1


def _no_condition(x: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], 0)  # len(x) would fix the batch of an exported graph
