"""Distilled models: what a student is taught, what it learns, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import Result, record, tiny_config
from torch import Generator, Tensor

from gencore.config.options import RunConfig
from gencore.data.batches import Batch, dequantise
from gencore.data.sources import ImageData
from gencore.models.diffusion.distillation import Imitation, student_spacing
from gencore.models.diffusion.objective import ChainObjective, Denoiser
from gencore.models.diffusion.samplers import dpm_solver_pp_between, dpm_solver_pp_sample
from gencore.models.diffusion.schedules import (
    Schedule,
    linear_schedule,
    mixed_timesteps,
    trailing_timesteps,
)
from gencore.models.load import load_model
from gencore.store.runs import Run, run
from gencore.training.step import State

CPU = torch.device("cpu")
TEACHER, STUDENT = "digits-teacher", "digits-teacher-3-steps"


@pytest.fixture
def schedule() -> Schedule:
    return linear_schedule(1000, 1e-4, 0.02)


def teacher_of(schedule: Schedule) -> Callable[[Tensor], Denoiser]:
    """The exact eps of images from N(0.2 times the condition, 0.1^2), by condition."""

    def under(condition: Tensor) -> Denoiser:
        def eps_model(x_t: Tensor, t: float) -> Tensor:
            alpha, sigma = schedule.alpha[int(t)], schedule.sigma[int(t)]
            mean = 0.2 * condition.view(-1, 1, 1, 1)
            return sigma * (x_t - alpha * mean) / (alpha**2 * 0.01 + sigma**2)

        return eps_model

    return under


def test_between_all_timesteps_the_solver_is_the_sampler(schedule: Schedule) -> None:
    eps_model, x_T = teacher_of(schedule)(torch.ones(1)), torch.randn(2, 1, 4, 4)
    whole = dpm_solver_pp_sample(eps_model, x_T, schedule, 4)
    between = dpm_solver_pp_between(eps_model, x_T, schedule, trailing_timesteps(schedule, 4), None)
    torch.testing.assert_close(between, whole)


def test_a_student_that_predicts_its_targets_lands_where_the_teacher_does(schedule: Schedule) -> None:
    teacher = teacher_of(schedule)
    condition = torch.tensor([[-1.0], [0.5], [1.0], [2.0]])
    fine = mixed_timesteps(schedule, 15)
    imitation = Imitation(ChainObjective(schedule, "eps", "uniform"), mixed_timesteps, 3, 5)
    x_t = torch.randn(4, 1, 4, 4)
    reached, student = x_t, x_t
    for part, end in ((fine[:5], fine[5]), (fine[5:10], fine[10]), (fine[10:], None)):
        reached = dpm_solver_pp_between(teacher(condition), reached, schedule, part, end)
        there = dpm_solver_pp_between(teacher(condition), student, schedule, part, end)
        image = imitation._image_of_step(student, there, part[0], end)
        eps = (student - schedule.alpha[part[0]] * image) / schedule.sigma[part[0]]
        alpha_end, sigma_end = (1.0, 0.0) if end is None else (schedule.alpha[end], schedule.sigma[end])
        student = alpha_end * image + sigma_end * eps
    assert student_spacing(mixed_timesteps, 5)(schedule, 3) == [fine[0], fine[5], fine[10]]
    torch.testing.assert_close(student, reached, atol=1e-4, rtol=1e-4)


def test_a_teacher_of_one_step_teaches_its_own_prediction(schedule: Schedule) -> None:
    teacher, objective = teacher_of(schedule), ChainObjective(schedule, "v", "uniform")
    x_0, condition = torch.randn(6, 1, 4, 4) * 0.1, torch.zeros(6, 1)

    def student(x_t: Tensor, t: Tensor, given: Tensor) -> Tensor:
        alpha, sigma = schedule.at(t, x_t.ndim)
        eps = sigma * x_t / (alpha**2 * 0.01 + sigma**2)
        return alpha * eps - sigma * (x_t - sigma * eps) / alpha

    loss = Imitation(objective, trailing_timesteps, 3, 1).loss(
        student, teacher, x_0, condition, Generator().manual_seed(0)
    )
    assert loss < 1e-8
    longer = Imitation(objective, trailing_timesteps, 3, 6).loss(
        student, teacher, x_0, condition, Generator().manual_seed(0)
    )
    assert longer > 100 * loss, "the longer way ends elsewhere"


@pytest.fixture
def teacher(home: Path, few_digits: ImageData) -> Run:
    one, config = run(TEACHER), tiny_config("ddpm", epochs=2)
    model = config.model.model_copy(update={"clusters": 6, "prediction": "v", "standardise": True})
    one.create(config.model_copy(update={"model": model}))
    assert record(one, few_digits)[-1].status == "finished"
    return one


def distil(gencore: Callable[..., Result], *words: object) -> Result:
    return gencore("distill", TEACHER, "--steps", 3, "--epochs", 1, *words)


def test_a_student_is_an_ordinary_run_that_begins_as_its_teacher(
    teacher: Run, home: Path, gencore: Callable[..., Result]
) -> None:
    assert distil(gencore).code == 0
    student = run(STUDENT)
    assert student.status() == "finished" and student.config().label == "distilled DDPM"
    model, _ = load_model(student, CPU)
    of_teacher, _ = load_model(teacher, CPU)
    assert "DDIM, eta 0, 3 network evaluations an image, one of 6 clusters" in model.sampling
    assert torch.equal(model.clusters.centroids, of_teacher.clusters.centroids)
    names = {name for name, _ in model.named_parameters()}
    assert names == {name for name, _ in of_teacher.named_parameters()}, (
        "the teacher is no part of its student"
    )
    assert gencore("sample", STUDENT, "--count", 4, "--out", home / "four.png").code == 0


def test_a_student_learns_what_it_is_taught(teacher: Run, few_digits: ImageData) -> None:
    """Its loss on the same images and noise falls by more than a third within 60 steps."""
    given = teacher.config().model_dump()
    given["model"] |= {
        "teacher": TEACHER,
        "distilled_steps": 2,
        "teacher_steps": 8,
        "sampler": "ddim",
        "learning_rate": 2e-3,
    }
    config = RunConfig.model_validate(given)
    of_teacher, _ = load_model(teacher, CPU)
    state = State.fresh(config, few_digits, CPU, of_teacher)
    batch = Batch(dequantise(few_digits.images[:32]), few_digits.labels[:32])

    def loss() -> float:
        with torch.no_grad():
            return state.model.loss("unet", batch, Generator().manual_seed(0))[0].item()

    before = loss()
    for _ in range(60):
        state.advance(batch, 1.0)
    assert loss() < before * 2 / 3


def test_a_stopped_student_resumes_to_the_same_weights(teacher: Run, few_digits: ImageData) -> None:
    given = teacher.config().model_dump()
    given["model"] |= {"teacher": TEACHER, "distilled_steps": 2, "sampler": "ddim"}
    config = RunConfig.model_validate(given)
    for name in ("whole", "halves"):
        run(name).create(config)
    record(run("whole"), few_digits)
    assert record(run("halves"), few_digits, stop_at=3)[-1].status == "stopped"
    record(run("halves"), few_digits, resume=True)
    whole, halves = (load_model(run(name), CPU)[0].state_dict() for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_a_student_takes_its_own_steps_alone(
    teacher: Run, home: Path, gencore: Callable[..., Result]
) -> None:
    distil(gencore)
    for words in (("--steps", 10), ("--sampler", "dpm-solver++")):
        refused = gencore("sample", STUDENT, "--count", 4, "--out", home / "four.png", *words)
        assert refused.code == 2 and "is distilled for 3 steps of sampler ddim" in refused.complaint
    model, _ = load_model(run(STUDENT), CPU)
    assert list(model.step_counts) == [3] and not model.can_branch


def test_what_cannot_be_distilled_is_refused_before_anything_is_written(
    teacher: Run, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    run("vae").create(tiny_config("vae", epochs=1))
    record(run("vae"), few_digits)
    assert "run vae is a VAE; only a DDPM can be distilled" in gencore("distill", "vae").complaint
    assert "no run named nobody" in gencore("distill", "nobody").complaint
    distil(gencore)
    assert "is a distilled DDPM; only a DDPM can be" in gencore("distill", STUDENT).complaint
    lone = gencore("train", "ddpm", "--distilled-steps", 2, "--dataset", "digits")
    assert lone.code == 2 and "without a teacher; use `gencore distill RUN`" in lone.complaint
    flow = tiny_config("ddpm", epochs=1)
    flow = flow.model_copy(
        update={"model": flow.model.model_copy(update={"prediction": "flow", "sampler": "ddim"})}
    )
    run("flow").create(flow)
    record(run("flow"), few_digits)
    assert "a flow is not distilled" in gencore("distill", "flow").complaint
    assert not run("flow-4-steps").exists and not run("vae-4-steps").exists


def test_more_steps_than_the_chain_or_a_batch_has_are_refused_before_anything_is_written(
    teacher: Run, gencore: Callable[..., Result]
) -> None:
    long = gencore("distill", TEACHER, "--steps", 6)  # of 4 each, and the chain has 20
    assert long.code == 2 and "6 steps of 4 of the teacher's are more than the 20 timesteps" in long.complaint
    wide = gencore("distill", TEACHER, "--steps", 18, "--teacher-steps", 1)
    assert (
        wide.code == 2
        and "batch_size is 16, but each batch teaches a student all of its 18" in wide.complaint
    )
    assert not run(f"{TEACHER}-6-steps").exists and not run(f"{TEACHER}-18-steps").exists


def test_a_teacher_that_has_changed_or_gone_is_named(
    teacher: Run, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    assert distil(gencore, "--name", "student").code == 0
    words = ("train", "ddpm", "--name", "other", "--dataset", "digits", "--sampler", "ddim")
    words += ("--sampling-steps", 2, "--distilled-steps", 2, "--teacher", TEACHER)
    other = gencore(*words)
    assert other.code == 2 and "a DDPM of another network" in other.complaint
    config = run("student").config()
    (run("student").config_path).write_text(
        config.model_copy(
            update={"model": config.model.model_copy(update={"teacher_digest": "0" * 64})}
        ).model_dump_json()
    )
    with pytest.raises(ValueError, match="are not those that this model is to imitate"):
        record(run("student"), few_digits)
    teacher.delete()
    with pytest.raises(ValueError, match=f"the teacher {TEACHER} cannot be loaded: no run named"):
        record(run("student"), few_digits)
