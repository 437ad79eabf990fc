"""The diffusion page: denoising steps, branches, samplers, and the message of every state."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from browser import made_runs
from support import record, tiny_config
from visits import checked, pictures, text_of, trained, visit

from dashboard.data import generation
from dashboard.data.generation import SamplingOptions
from dashboard.views import diffusion_frames
from gencore.config.options import DDPMConfig
from gencore.data.batches import quantise
from gencore.data.sources import ImageData
from gencore.store.runs import Run, run

DDIM = (("sampler", "ddim"), ("sampling_steps", 6))


@pytest.fixture(scope="module")
def denoisers_home(
    tmp_path_factory: pytest.TempPathFactory, extractor_home: Path, few_digits: ImageData
) -> Path:
    """`ddpm`, `cddpm`, `flow` and a student of `ddpm`, the classifier of the digits, and a `vae`."""
    folder = tmp_path_factory.mktemp("denoisers") / "home"
    shutil.copytree(extractor_home, folder)
    trained(folder, "ddpm", few_digits)
    for name, changes in {
        "cddpm": {"conditional": True},
        "clustered": {"clusters": 5},
        "flow": {"prediction": "flow", "sampler": "ddim"},
        "student": {
            "teacher": "ddpm",
            "teacher_steps": 1,
            "distilled_steps": 12,  # more than the latent page takes of others
            "sampling_steps": 12,
            "sampler": "ddim",
        },
    }.items():
        plan = tiny_config("ddpm", epochs=1)
        made = run(name, folder)
        model = DDPMConfig.model_validate(plan.model.model_dump() | changes)
        made.create(plan.model_copy(update={"model": model}))
        record(made, few_digits)
    return folder


@pytest.fixture
def denoisers(home: Path, denoisers_home: Path) -> Path:
    shutil.copytree(denoisers_home, home, dirs_exist_ok=True)
    return home


@pytest.mark.parametrize(
    ("name", "changes"),
    [("ddpm", DDIM), ("cddpm", DDIM), ("clustered", DDIM), ("flow", (("sampling_steps", 6),))],
)
def test_each_frame_follows_from_the_one_before(denoisers: Path, name: str, changes: tuple) -> None:
    frames = diffusion_frames.denoising_frames(
        SamplingOptions(run(name), changes=changes), 3 if name == "cddpm" else None, 1
    )
    flow = name == "flow"
    alpha = torch.tensor([*frames.alpha, 1.0]).view(-1, 1, 1, 1)
    sigma = 1 - alpha if flow else (1 - alpha**2).sqrt()
    eps = frames.noise / sigma[:-1]
    torch.testing.assert_close(
        frames.x_t[1:], alpha[1:] * frames.x_0 + sigma[1:] * eps, atol=1e-4, rtol=1e-4
    )  # eq. 12
    assert list(frames.times) == sorted(frames.times, reverse=True) and frames.branches != flow


@pytest.mark.parametrize("name", ["ddpm", "clustered"])
@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_the_last_step_is_the_image_that_the_model_generates(
    denoisers: Path, sampler: str, name: str
) -> None:
    sampling_options = SamplingOptions(run(name), changes=(("sampler", sampler), ("sampling_steps", 5)))
    frames = diffusion_frames.denoising_frames(sampling_options, None, 7)
    assert frames.x_t.shape == (6, 1, 28, 28) and frames.x_0.shape == (5, 1, 28, 28)
    assert torch.equal(quantise(frames.x_t[-1:]), generation.draw(sampling_options, 1, None, 7).images)


@pytest.mark.parametrize("name", ["ddpm", "clustered"])
def test_branches_from_the_first_step_differ_and_from_the_last_are_equal(denoisers: Path, name: str) -> None:
    sampling_options = SamplingOptions(run(name), changes=DDIM)
    early, late = (diffusion_frames.branch(sampling_options, None, 2, start, 4) for start in (0, 5))
    assert len({image.numpy().tobytes() for image in early}) == 4
    ending = quantise(diffusion_frames.denoising_frames(sampling_options, None, 2).x_t[-1:])
    assert (late.int() - ending.int()).abs().max() <= 1  # no noise comes after the last step


def test_timed_samples_are_the_models_own_and_count_its_passes(denoisers: Path) -> None:
    sampling_options = SamplingOptions(run("cddpm"), changes=(*DDIM, ("guidance", 2.0)))
    samples = diffusion_frames.timed(sampling_options, 3, 4, 0)
    assert torch.equal(samples.images, generation.draw(sampling_options, 3, 4, 0).images)
    assert samples.network_evaluations == 12 and samples.seconds > 0


def test_only_a_ddpm_has_steps(denoisers: Path) -> None:
    with pytest.raises(ValueError, match="choose a run of a diffusion model"):
        diffusion_frames.denoising_frames(SamplingOptions(run("vae")), None, 0)


def test_without_a_ddpm_it_says_what_to_do(home: Path) -> None:
    made_runs.trained(home, "digits-vae", made_runs.config("vae"))
    assert "Choose **DDPM** on the left" in text_of(visit("diffusion"))


def test_it_shows_the_steps_the_branches_and_the_samplers_side_by_side(denoisers: Path) -> None:
    app = visit("diffusion", ["ddpm"])
    shown = pictures(app)
    assert sum(alt.startswith("Steps ") for alt in shown) == 1
    assert "10 images from the same x_t at t = 9, each with fresh noise after it" in shown
    compared = [alt for alt in shown if alt.startswith("5 images by")]
    assert compared == [
        f"5 images by {by} in {n} steps" for by in ("dpm-solver++", "ddim") for n in (2, 5, 10, 20)
    ]
    assert "gencore steps ddpm" in text_of(app)


def test_the_timestep_slider_shows_other_steps_of_the_same_image(denoisers: Path) -> None:
    app = visit("diffusion", ["ddpm"], film="20")
    before = pictures(app)
    assert [alt for alt in before if alt.startswith("Steps ")] == [
        f"Steps {first} to {first + 9} of an image by ddpm: the noisy image, the predicted image and the "
        "predicted noise, one below the other"
        for first in (1, 11)
    ]
    after = pictures(checked(app.select_slider(key="t").set_value("0").run()))
    ending = "The final image of ddpm"
    assert before[ending] == after[ending]
    assert "x_t, the noisy image, at t = 9" in before and "x_t, the noisy image, at t = 0" in after


def test_a_link_restores_run_seed_digit_sampler_steps_and_timestep(denoisers: Path) -> None:
    app = visit("diffusion", ["cddpm"], seed="4", film="12", by="ddim", t="4", **{"class": "6"})
    assert (app.number_input(key="seed").value, app.slider(key="film").value) == (4, 12)
    assert (app.select_slider(key="t").value, app.selectbox(key="class").value) == ("4", "6")
    assert "DDIM, eta 0, 12 network evaluations" in text_of(app)


def test_a_flow_has_no_branches(denoisers: Path) -> None:
    app = visit("diffusion", ["flow"])
    assert "each x_t leads to exactly one image" in text_of(app)
    assert "5 images by ddim in 20 steps" in pictures(app) and "by dpm-solver++" not in "".join(pictures(app))


def test_a_distilled_model_is_shown_in_its_own_steps(denoisers: Path) -> None:
    app = visit("diffusion", ["student"])
    assert "film" not in [widget.key for widget in app.slider]
    assert "each x_t leads to exactly one image" in text_of(app)
    assert [name for name in pictures(app) if "5 images by" in name] == ["5 images by ddim in 12 steps"]
    gallery = visit("gallery", ["student", "ddpm"], steps="7", guidance="2")
    assert "DDIM, eta 0, 12 network evaluations" in text_of(gallery)
    assert "7 network evaluations" in text_of(gallery)
    assert any("student" in name for name in pictures(visit("latent", ["student"])))


def test_the_ancestral_sampler_is_shown_on_request(denoisers: Path) -> None:
    app = visit("diffusion", ["ddpm"], all="true")
    assert "5 images by ddpm in 20 steps" in pictures(app)


def test_measured_steps_are_a_chart_with_its_floor_and_a_table(denoisers: Path, gencore) -> None:
    assert gencore("steps", "ddpm", "--counts", 2, 3, "--samples", 64).code == 0
    app = visit("diffusion", ["ddpm"])
    assert len(app.main.get("vega_lite_chart")) == 2
    assert app.main.dataframe[0].value["steps"].tolist() == [2, 3, 2, 3]
    assert "Fréchet distance of 64 images with seed 0" in text_of(app) and "other weights" not in text_of(app)
    path = run("ddpm").results / "steps.json"
    path.write_text(path.read_text().replace('"checkpoint_digest": "', '"checkpoint_digest": "0'))
    assert "Measured with other weights" in text_of(visit("diffusion", ["ddpm"]))
    path.write_text("{}")
    app = visit("diffusion", ["ddpm"])
    assert "steps.json is not readable" in text_of(app) and not app.main.get("vega_lite_chart")


def unfinished(folder: Path) -> Run:
    return made_runs.trained(folder, "half", made_runs.config("ddpm"), until=0.5, end=None)


def test_a_training_without_weights_says_when_it_will_have_some(home: Path) -> None:
    with unfinished(home).claim():
        app = visit("diffusion", ["half"])
    assert "first weights are saved after epoch 10" in text_of(app) and not app.main.warning


def test_what_died_or_is_corrupt_says_so_in_words(denoisers: Path) -> None:
    unfinished(denoisers)
    assert "run half has no checkpoint" in text_of(visit("diffusion", ["half"]))
    (run("ddpm").checkpoints / "final.safetensors").write_bytes(b"rubbish")
    app = visit("diffusion", ["ddpm"])
    assert len(app.main.warning) == 1 and not pictures(app)
    run("cddpm").config_path.write_text("{")
    assert "cddpm" not in visit("diffusion", ["flow"]).selectbox(key="diffusion.run").options
