"""`gencore steps`: what a diffusion sampler costs and gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Result, record, tiny_config

from gencore.config.options import DDPMConfig, RunConfig
from gencore.data.sources import ImageData
from gencore.evaluation import sampler_sweep
from gencore.store.runs import Run, run


@pytest.fixture
def ddpm(with_extractor: Path, few_digits: ImageData) -> Run:
    trained = run("ddpm", with_extractor)
    trained.create(tiny_config("ddpm"))  # T = 20
    record(trained, few_digits)
    return trained


def test_every_sampler_is_measured_at_every_count_and_the_ancestral_one_once(
    ddpm: Run, gencore: Callable[..., Result]
) -> None:
    ended = gencore(
        "steps",
        "ddpm",
        "--samples",
        30,
        "--counts",
        2,
        5,
        "--samplers",
        "ddim",
        "dpm-solver++",
        "ddpm",
        "--json",
    )
    assert ended.code == 0, ended.err
    curve = sampler_sweep.load(ddpm)
    assert ended.json == curve.model_dump(mode="json")
    assert [(p.sampler, p.steps, p.network_evaluations) for p in curve.points] == [
        ("ddim", 2, 2), ("ddim", 5, 5), ("ddpm", 20, 20), ("dpm-solver++", 2, 2), ("dpm-solver++", 5, 5),
    ]  # fmt: skip
    assert all(p.fd > 0 and p.seconds_per_image > 0 for p in curve.points)
    assert curve.floor > 0 and "30 samples" in curve.warning


def test_points_of_other_counts_stay_until_the_question_changes(
    ddpm: Run, gencore: Callable[..., Result]
) -> None:
    def measured(*words: object) -> list[tuple[str, int]]:
        assert gencore("steps", "ddpm", "--samplers", "ddim", "--samples", *words).code == 0
        return [(p.sampler, p.steps) for p in sampler_sweep.load(ddpm).points]

    assert measured(30, "--counts", 2, 5) == [("ddim", 2), ("ddim", 5)]
    before = sampler_sweep.load(ddpm)
    assert measured(30, "--counts", 5, 10) == [("ddim", 2), ("ddim", 5), ("ddim", 10)]
    assert sampler_sweep.load(ddpm).points[0] == before.points[0]
    assert sampler_sweep.load(ddpm).points[1].fd == before.points[1].fd  # same noise, same images
    assert measured(40, "--counts", 10) == [("ddim", 10)]


def test_a_flow_has_one_sampler_and_its_steps_are_not_bound_by_a_chain(
    with_extractor: Path, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    flow = run("flow", with_extractor)
    config = tiny_config("ddpm")
    model = DDPMConfig(width=16, timesteps=20, sampling_steps=2, prediction="flow", sampler="ddim")
    flow.create(RunConfig(data=config.data, model=model, training=config.training))
    record(flow, few_digits)
    assert gencore("steps", "flow", "--samples", 20, "--counts", 3).code == 0
    assert [(p.sampler, p.steps) for p in sampler_sweep.load(flow).points] == [("ddim", 3)]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("vae", "vae is a VAE and draws in one step"),
        ("ddpm --counts 21", "use 1 to 20"),
        ("ddpm --counts 0", "use 1 to 20"),
        ("ddpm --samples 5", "--samples is 5"),
        ("nothing", "nothing"),
    ],
)
def test_what_cannot_be_measured_is_refused_and_nothing_is_written(
    ddpm: Run, gencore: Callable[..., Result], words: str, complaint: str
) -> None:
    ended = gencore("steps", *words.split())
    assert ended.code == 2 and complaint in ended.complaint
    assert not list(ddpm.results.parent.rglob("steps.json"))
