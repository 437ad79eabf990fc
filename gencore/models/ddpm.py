"""Denoising diffusion (Ho et al. 2020), with v (Salimans & Ho 2022) and rectified flow (Liu et al. 2023) as
options.

The network predicts the noise in an image. Objective, preconditioning, guidance and sampler are objects of
`gencore.models.diffusion`, made from the config; this class joins them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import DDPMConfig, Sampler
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models.base import GenerativeModel, NoiseLevel, OnStep, Parts, Player
from gencore.models.clusters import Clusters
from gencore.models.diffusion.distillation import Imitation, student_spacing
from gencore.models.diffusion.guidance import Guidance
from gencore.models.diffusion.objective import (
    ChainObjective,
    Denoiser,
    FlowObjective,
    Objective,
    denoising_loss,
)
from gencore.models.diffusion.preconditioning import Standardise
from gencore.models.diffusion.schedules import SPACINGS, Schedule, ScheduleOnDevice, linear_schedule
from gencore.models.diffusion.solvers import ChainSolver, FlowSolver, Solver
from gencore.networks.unet import UNet

INVERSION_STEPS = 50


class DDPM(GenerativeModel):
    """A U-Net, its objective and its sampler; the latent is the noise x_T."""

    def __init__(self, config: DDPMConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec, self.conditional = config, spec, config.conditional
        self.unet = UNet(
            spec.channels,
            spec.size,
            config.width,
            classes=spec.classes if config.conditional else config.clusters,
            depth=config.depth,
            attention=config.attention,
        )
        if config.clusters:  # in the U-Net, so that they are saved with its weights
            self.unet.add_module("clusters", Clusters(config.clusters, spec))
        self.players = {"unet": Player(self.unet, config.learning_rate)}
        self._teachers: list[DDPM] = []  # in a list, so that it is no part of this module's state
        if config.standardise:  # buffers of the U-Net, so that they are saved and averaged with its weights
            self.unet.register_buffer("mean", torch.zeros(()))
            self.unet.register_buffer("std", torch.ones(()))
        self._schedule = ScheduleOnDevice(
            linear_schedule(config.timesteps, config.beta_start, config.beta_end)
        )

    @property
    def schedule(self) -> Schedule:
        """The noise schedule, on the network's device."""
        return self._schedule.schedule

    @property
    def objective(self) -> Objective:
        """What the network predicts and at which noise levels it is trained."""
        c = self.config
        if c.prediction == "flow":
            return FlowObjective(c.noise_levels, self.device)
        return ChainObjective(self.schedule, c.prediction, c.noise_levels)

    @property
    def preconditioning(self) -> Standardise | None:
        """How the network's input and output are scaled; None where they are not."""
        if not self.config.standardise:
            return None
        return Standardise(self.unet.get_buffer("mean"), self.unet.get_buffer("std"))

    @property
    def guidance(self) -> Guidance:
        """How predictions with and without a condition are combined; the null label follows the last one."""
        c = self.config
        return Guidance(c.guidance if self.condition_dim else 1.0, self.condition_dim, c.guidance_most_noise)

    @property
    def solver(self) -> Solver:
        """The configured sampler."""
        c = self.config
        if c.prediction == "flow":
            return FlowSolver(c.sampling_steps)
        spacing = SPACINGS[c.spacing]
        if c.is_distilled:
            spacing = student_spacing(spacing, c.teacher_steps)
        return ChainSolver(self.schedule, c.sampler, c.sampling_steps, spacing)

    @property
    def averaged(self) -> nn.Module:
        """The U-Net."""
        return self.unet

    def imitate(self, teacher: GenerativeModel) -> None:
        """As in `Imitates`: clusters and the pixels' mean and deviation are taken over too."""
        misfit = f"the teacher is a {type(teacher).__name__} of another network"
        if not isinstance(teacher, DDPM):
            raise ValueError(f"{misfit}; a diffusion model learns from a diffusion model")
        try:
            self.unet.load_state_dict(teacher.unet.state_dict())
        except RuntimeError as error:
            raise ValueError(f"{misfit}: {str(error).splitlines()[-1].strip()}") from error
        self._teachers = [teacher]

    def fit_to_data(self, data: ImageData, seed: int) -> None:
        """Find the clusters, and mean and deviation of the pixels, where the network needs them."""
        if self.clusters:
            self.clusters.fit(data, seed)
        if preconditioning := self.preconditioning:
            preconditioning.fit(data.images)

    def network(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The configured prediction at x_t (B, C, H, W) and the network's times t (B,), float32; labels as
        the U-Net's.
        """

        def unet(x: Tensor) -> Tensor:
            return self.unet(x, t, labels).float()

        preconditioning, objective = self.preconditioning, self.objective
        if preconditioning is None:
            return unet(x_t)
        x_0, eps = preconditioning.denoise(unet, x_t, *objective.alpha_sigma(t))
        return objective.target(x_0, t, eps)

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """Mean squared error of the prediction at a random time of each image, some of the labels hidden.

        Of a distilled model, the error of its steps."""
        if self.config.is_distilled:
            return self._imitation_loss(batch, rng)

        def network(x_t: Tensor, t: Tensor) -> Tensor:
            if not self.condition_dim:
                return self.network(x_t, t)
            labels = self.clusters.of(batch.images) if self.clusters else batch.labels
            return self.network(x_t, t, self.guidance.hide(labels, self.config.label_dropout, rng))

        loss = denoising_loss(self.objective, network, batch.images, rng)
        return loss, {"mse": loss.detach()}

    def _imitation_loss(self, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        [teacher], objective = self._teachers, self.objective
        assert isinstance(objective, ChainObjective), "the config refuses to distil a flow"
        c = self.config
        imitation = Imitation(objective, SPACINGS[c.spacing], c.distilled_steps, c.teacher_steps)
        condition = self.condition_of(batch.images, batch.labels)
        loss = imitation.loss(self.network, teacher.denoiser, batch.images, condition, rng)
        return loss, {"mse": loss.detach()}

    def predict(self, x_t: Tensor, t: float, condition: Tensor) -> Tensor:
        """The network's prediction (B, C, H, W), guided where configured.

        x_t (B, C, H, W), t the sampler's time, condition (B, condition_dim)."""
        objective, guidance = self.objective, self.guidance
        time = objective.at(t, len(x_t))
        if guidance.acts_at(objective.noise_share(t)):
            return guidance.predict(self.network, x_t, time, condition)
        return self.network(x_t, time, condition if self.condition_dim else None)

    def denoiser(self, condition: Tensor) -> Denoiser:
        """The network as samplers take it, under this condition (B, condition_dim)."""
        return self.objective.denoiser(lambda x_t, t: self.predict(x_t, t, condition))

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """x_T (n, C, H, W) from N(0, I)."""
        return torch.randn(
            n, self.spec.channels, self.spec.size, self.spec.size, device=self.device, generator=rng
        )

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """n images (n, C, H, W) in [-1, 1] by the configured sampler."""
        x_T, condition = self.draw_latent(n, rng), self.draw_condition(n, labels, rng)
        return self.solver.sample(self.denoiser(condition), x_T, rng).clamp(-1, 1)

    def decode(self, z: Tensor, condition: Tensor, on_step: OnStep | None = None) -> Tensor:
        """Images of x_T by the configured sampler, by DPM-Solver++ where that is the ancestral one."""
        return self.solver.decode(self.denoiser(condition), z, on_step).clamp(-1, 1)

    def step_table(self) -> list[tuple[float, ...]]:
        """A row for each step of `decode`, which `step` takes. Raises ValueError for a flow.

        A row is t, alpha, sigma, the scale of guidance, and by_previous, keep and add of `SolverStep`."""
        solver, guidance = self.solver, self.guidance
        if not isinstance(solver, ChainSolver):
            raise ValueError("a flow takes Euler steps, which are not in this table")
        rows = []
        for t, alpha_bar, *numbers in solver.steps_of_decode():
            scale = guidance.scale if guidance.acts_at(self.objective.noise_share(t)) else 1.0
            rows.append((float(t), alpha_bar**0.5, (1 - alpha_bar) ** 0.5, scale, *numbers))
        return rows

    def step(
        self, x_t: Tensor, previous: Tensor, row: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next x_t and the predicted x_0, by a row of `step_table` (7,) as a tensor.

        x_t and `previous`, the x_0 of the step before, (B, C, H, W); condition (B, condition_dim). So
        `decode` is a loop that needs nothing but this function and the table."""
        t, alpha, sigma, scale, by_previous, keep, add = row.unbind()
        time = t.long().expand(len(x_t))
        if self.guidance.scale == 1 or condition is None:
            predicted = self.network(x_t, time, condition)
        else:
            predicted = self.guidance.predict_at(scale, self.network, x_t, time, condition)
        if self.config.prediction == "v":
            x_0 = alpha * x_t - sigma * predicted
        else:
            x_0 = (x_t - sigma * predicted) / alpha
        x_0 = x_0.clamp(-1, 1)
        return keep * x_t + add * (x_0 + by_previous * (x_0 - previous)), x_0

    def invert(self, x: Tensor, condition: Tensor) -> Tensor:
        """x_T (B, C, H, W) of images by the sampler's equation run backwards.

        In INVERSION_STEPS steps, in more where sampling takes more, but in no more than the model can take.
        """
        return self.solver.invert(self.denoiser(condition), x, self._inversion_steps)

    def branch(self, x_t: Tensor, condition: Tensor, rng: Generator, start: int) -> Tensor:
        """Images from the x_t before step `start`, each with fresh noise; see `SamplesInSteps`."""
        return self.solver.branch(self.denoiser(condition), x_t, rng, start).clamp(-1, 1)

    def noise_levels(self) -> list[NoiseLevel]:
        """The noise level before each step of `decode`."""
        return self.solver.noise_levels()

    @property
    def can_branch(self) -> bool:
        """Whether a sampler adds noise on the way; none does along a flow or in a distilled model."""
        return self.solver.can_branch and not self.config.is_distilled

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """The samplers that a config of this prediction may name."""
        return self.solver.available

    @property
    def step_counts(self) -> range:
        """From one to the length of the noising chain; of a distilled model, its own alone."""
        return self.config.step_counts

    @property
    def prediction_meaning(self) -> dict[str, str]:
        """What the U-Net predicts and what its inputs mean, for a sampler written elsewhere."""
        c, null = self.config, self.guidance.null_label
        if c.prediction == "flow":
            meaning = {"prediction": "dx_t/dt = eps - x_0", "t": "1000 t, t from 1 (noise) to 0 (image)"}
        else:
            meaning = {
                "prediction": "the noise eps" if c.prediction == "eps" else "v = alpha_t eps - sigma_t x_0",
                "t": f"timestep 0 to {c.timesteps - 1}, the last all noise",
                "timesteps": str(c.timesteps),
                "betas": f"linear from {c.beta_start} to {c.beta_end}",
            }
        if null:
            kind = "class" if self.conditional else "cluster"
            labels = f"{kind} 0 to {null - 1}; {null} is no {kind}, for guidance"
            most_noise = str(c.guidance_most_noise)
            meaning |= {"labels": labels, "guidance": str(c.guidance), "guidance_most_noise": most_noise}
        return meaning

    @property
    def network_evaluations(self) -> int:
        """Passes of the U-Net that one image takes."""
        return self._evaluations(self.solver.times)

    @property
    def inversion_passes(self) -> int:
        """Passes of the U-Net that the inversion of one image takes."""
        return self._evaluations(self.solver.times_of_decode(self._inversion_steps))

    def _evaluations(self, times: Sequence[float]) -> int:
        guidance, objective = self.guidance, self.objective
        return sum(2 if guidance.acts_at(objective.noise_share(t)) else 1 for t in times)

    @property
    def _inversion_steps(self) -> int:
        return min(max(INVERSION_STEPS, self.config.sampling_steps), self.step_counts[-1])

    @property
    def sampling(self) -> str:
        """How `sample` generates its images, in words."""
        scale, most_noise = self.guidance.scale, self.config.guidance_most_noise
        guidance = f", guidance {scale:g}" if scale != 1 else ""
        if guidance and most_noise < 1:
            guidance += f" below {100 * most_noise:g} % noise"
        clusters = f", one of {len(self.clusters)} clusters by their shares" if self.clusters else ""
        evaluations = f"{self.network_evaluations} network evaluations an image"
        return f"{self.solver.title}, {evaluations}{clusters}{guidance}"
