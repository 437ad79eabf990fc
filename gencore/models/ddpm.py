"""Denoising diffusion (Ho et al. 2020), with v (Salimans & Ho 2022) and rectified flow (Liu et al. 2023) as options.

The network learns to say what noise an image holds; samplers in `gencore.diffusion` turn that into images.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gencore import diffusion
from gencore.config import DDPMConfig
from gencore.data.batches import Batch, dequantise
from gencore.data.registry import DatasetSpec
from gencore.data.sources import ImageData
from gencore.models.base import GenerativeModel, Parts, Player
from gencore.networks.unet import UNet

INVERSION_STEPS = 50
_FLOW_TIME_SCALE = 1000.0  # the U-Net's sinusoids are made for times of this range


class DDPM(GenerativeModel):
    def __init__(self, config: DDPMConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec, self.conditional = config, spec, config.conditional
        self.null_label = len(spec.class_names)
        self.unet = UNet(
            spec.channels, spec.size, config.width, classes=len(spec.class_names) if config.conditional else 0
        )
        self.players = {"unet": Player(self.unet, config.learning_rate)}
        if config.standardise:  # of the training images' pixels; with the U-Net, so that they go where its weights go
            self.unet.register_buffer("mean", torch.zeros(()))
            self.unet.register_buffer("std", torch.ones(()))
        self._schedule = diffusion.linear_schedule(config.timesteps, config.beta_start, config.beta_end)

    @property
    def schedule(self) -> diffusion.Schedule:
        """The noise schedule, on the network's device."""
        if self._schedule.alpha.device != self.device:
            self._schedule = self._schedule.to(self.device)
        return self._schedule

    @property
    def averaged(self) -> nn.Module:
        return self.unet

    def meet(self, data: ImageData) -> None:
        if self.config.standardise:
            levels = dequantise(torch.arange(256, device=self.device))
            shares = torch.bincount(data.images.flatten(), minlength=256).to(self.device) / data.images.numel()
            self.unet.mean.copy_((shares * levels).sum())
            self.unet.std.copy_((shares * (levels - self.unet.mean).square()).sum().sqrt())

    def network(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The configured prediction at x_t (B, C, H, W) and the network's times t (B,), as float32; labels as the U-Net's."""

        def unet(x: Tensor) -> Tensor:
            return self.unet(x, t, labels).float()

        c = self.config
        if not c.standardise:
            return unet(x_t)
        if c.prediction == "flow":
            alpha, sigma = 1 - t / _FLOW_TIME_SCALE, t / _FLOW_TIME_SCALE
        else:
            steps = t.long()  # an exported graph's are floats
            alpha, sigma = self.schedule.alpha[steps], self.schedule.sigma[steps]
        x_0, eps = diffusion.standardised(unet, x_t, alpha, sigma, self.unet.mean, self.unet.std)
        if c.prediction == "flow":
            return diffusion.flow_velocity(x_0, eps)
        return eps if c.prediction == "eps" else diffusion.velocity(self.schedule, x_0, steps, eps)

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """Mean squared error of the prediction at a random time of each image (eq. 14: L_simple where it predicts eps)."""
        x_0, n = batch.images, len(batch.images)
        eps = torch.randn(x_0.shape, device=x_0.device, generator=rng)
        uniform = self.config.noise_levels == "uniform"
        if self.config.prediction == "flow":
            t = torch.rand(n, device=x_0.device, generator=rng) if uniform else diffusion.logit_normal_t(n, rng)
            x_t, target = diffusion.flow_sample(x_0, t, eps), diffusion.flow_velocity(x_0, eps)
            t = t * _FLOW_TIME_SCALE
        else:
            if uniform:
                t = torch.randint(self.config.timesteps, (n,), device=x_0.device, generator=rng)
            else:
                t = diffusion.logit_normal_timesteps(self.schedule, n, rng)
            x_t = diffusion.q_sample(self.schedule, x_0, t, eps)
            target = eps if self.config.prediction == "eps" else diffusion.velocity(self.schedule, x_0, t, eps)
        label = None
        if self.conditional:
            hidden = torch.rand(n, device=x_0.device, generator=rng) < self.config.label_dropout
            label = batch.labels.masked_fill(hidden, self.null_label)
        loss = F.mse_loss(self.network(x_t, t, label), target)
        return loss, {"mse": loss.detach()}

    def predict(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """The network's prediction, guided where asked: (1 - w) unlabelled + w labelled (Ho & Salimans 2022, eq. 6).

        x_t (B, C, H, W), t (B,) in the network's time, labels (B,), weights of them (B, classes) or None ->
        (B, C, H, W). Ours counts w from 1 (no guidance); the paper's weight is w - 1.
        """
        if not self.conditional:
            return self.network(x_t, t)
        if labels is None:
            raise ValueError(f"this model draws what it is asked for; give a label (0 to {self.null_label - 1}) an image")
        labelled = self.network(x_t, t, labels)
        if self.config.guidance == 1:
            return labelled
        unlabelled = self.network(x_t, t, torch.full((len(labels),), self.null_label, device=labels.device))
        return unlabelled + self.config.guidance * (labelled - unlabelled)

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """x_T (n, C, H, W) from N(0, I)."""
        return torch.randn(n, self.spec.channels, self.spec.size, self.spec.size, device=self.device, generator=rng)

    def decode(self, z: Tensor, labels: Tensor | None, on_step: diffusion.OnStep | None = None) -> Tensor:
        """Images of x_T by the configured sampler, by DPM-Solver++ where that is the ancestral one."""
        c = self.config
        if c.prediction == "flow":
            x = diffusion.flow_euler_sample(self._velocity_model(labels), z, c.sampling_steps, on_step=on_step)
        elif c.sampler == "ddim":
            x = diffusion.ddim_sample(self.eps_model(labels), z, self.schedule, c.sampling_steps, on_step=on_step)
        else:
            x = diffusion.dpm_solver_pp_sample(
                self.eps_model(labels), z, self.schedule, c.sampling_steps, on_step=on_step
            )
        return x.clamp(-1, 1)

    def generate(self, z: Tensor, condition: Tensor) -> Tensor:
        """`decode` under weights of the labels (B, classes), or (B, 0)."""
        return self.decode(z, condition if self.conditional else None)

    def invert(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """x_T (B, C, H, W) of images by the sampler's equation run backwards in INVERSION_STEPS steps."""
        if self.config.prediction == "flow":
            return diffusion.flow_euler_invert(self._velocity_model(labels), x, self._inversion_steps)
        return diffusion.ddim_invert(self.eps_model(labels), x, self.schedule, self._inversion_steps)

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        x_T = self.draw_latent(n, rng)
        if self.config.sampler == "ddpm":  # never with flow
            return diffusion.ddpm_sample(self.eps_model(labels), x_T, self.schedule, rng).clamp(-1, 1)
        return self.decode(x_T, labels)

    def eps_model(self, labels: Tensor | None) -> diffusion.Denoiser:
        """The network as samplers take it, asked for these labels; for eps and v, flow has no such steps."""
        model = partial(self.predict, labels=labels)
        return diffusion.eps_from_v(model, self.schedule) if self.config.prediction == "v" else model

    def _velocity_model(self, labels: Tensor | None) -> diffusion.Denoiser:
        """The network as a flow's sampler takes it."""
        return lambda x_t, t: self.predict(x_t, t * _FLOW_TIME_SCALE, labels)

    @property
    def network_evaluations(self) -> int:
        """Passes of the U-Net that one image takes."""
        steps = self.config.timesteps if self.config.sampler == "ddpm" and self.config.prediction != "flow" else self.config.sampling_steps
        return steps * self._passes_a_step

    @property
    def inversion_passes(self) -> int:
        return self._inversion_steps * self._passes_a_step

    @property
    def _inversion_steps(self) -> int:
        return min(INVERSION_STEPS, self.config.timesteps)

    @property
    def _passes_a_step(self) -> int:
        return 2 if self.conditional and self.config.guidance != 1 else 1

    @property
    def sampling(self) -> str:
        c = self.config
        name = {"ddpm": "ancestral DDPM", "ddim": "DDIM, eta 0", "dpm-solver++": "DPM-Solver++(2M)"}[c.sampler]
        name = "Euler along the flow" if c.prediction == "flow" else name
        guidance = f", guidance {c.guidance:g}" if self.conditional and c.guidance != 1 else ""
        return f"{name}, {self.network_evaluations} network evaluations an image{guidance}"
