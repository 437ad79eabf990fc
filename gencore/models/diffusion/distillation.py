"""Distillation: a student takes in one step what its teacher takes several for (Salimans & Ho 2022).

The student starts from its teacher's weights. Where the paper halves the number of steps again and again, the
teacher here is a second-order solver of a few steps, so that one training leads from any number to any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.models.diffusion.objective import ChainObjective, Denoiser
from gencore.models.diffusion.samplers import dpm_solver_pp_between
from gencore.models.diffusion.schedules import Spacing


def student_spacing(spacing: Spacing, teacher_steps: int) -> Spacing:
    """The timesteps at which a student's steps begin: each `teacher_steps`-th of its teacher's."""
    return lambda schedule, steps: spacing(schedule, steps * teacher_steps)[::teacher_steps]


@dataclass(frozen=True)
class Imitation:
    """What a student of DDIM in `steps` steps learns from a teacher of `teacher_steps` for each.

    The teacher's steps are those of `spacing`."""

    objective: ChainObjective
    spacing: Spacing
    steps: int
    teacher_steps: int

    def loss(
        self,
        student: Callable[[Tensor, Tensor, Tensor], Tensor],
        teacher: Callable[[Tensor], Denoiser],
        x_0: Tensor,
        condition: Tensor,
        rng: Generator,
    ) -> Tensor:
        """Mean squared error to the prediction with which a step of DDIM lands where the teacher does.

        `student` predicts from (x_t (B, ...), t (B,), condition (B, k)), `teacher` gives the eps model under
        a condition; x_0 (B, ...) are images, of which the i-th is noised for step i modulo `steps`."""
        schedule = self.objective.schedule
        k = self.teacher_steps
        fine = self.spacing(schedule, self.steps * k)
        eps = torch.randn(x_0.shape, device=x_0.device, generator=rng)
        parts = []
        for i in range(self.steps):
            timesteps, end = fine[i * k : (i + 1) * k], fine[(i + 1) * k] if i + 1 < self.steps else None
            images, noise, given = x_0[i :: self.steps], eps[i :: self.steps], condition[i :: self.steps]
            t = torch.full((len(images),), timesteps[0], device=x_0.device)
            x_t = self.objective.noised(images, t, noise)
            reached = dpm_solver_pp_between(teacher(given), x_t, schedule, timesteps, end)
            alpha, sigma = schedule.at(t, x_0.ndim)
            x_0_of_step = self._image_of_step(x_t, reached, timesteps[0], end)
            eps_of_step = (x_t - alpha * x_0_of_step) / sigma
            target = self.objective.target(x_0_of_step, t, eps_of_step)
            parts.append((x_t, t, given, target))
        x_t, t, given, target = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return F.mse_loss(student(x_t, t, given), target)

    def _image_of_step(self, x_t: Tensor, reached: Tensor, start: int, end: int | None) -> Tensor:
        """The x_0 (B, ...) by which a step of DDIM goes from x_t to `reached` (Salimans & Ho 2022,
        algorithm 2).
        """
        [alpha_bar] = self.objective.schedule.alpha_bars([start])
        alpha_bar_end = 1.0 if end is None else self.objective.schedule.alpha_bars([end])[0]
        ratio = ((1 - alpha_bar_end) / (1 - alpha_bar)) ** 0.5
        return (reached - ratio * x_t) / (alpha_bar_end**0.5 - ratio * alpha_bar**0.5)
