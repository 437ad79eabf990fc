"""The gallery: images, sampling options, and the message of every state."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from browser import made_runs
from PIL import Image
from support import tiny_config
from torch import Generator
from visits import checked, pictures, text_of, trained, visit

from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from gencore.config.datasets import DATASETS
from gencore.config.options import DataConfig
from gencore.data.batches import quantise
from gencore.data.sources import ImageData
from gencore.data.verification import DataError
from gencore.evaluation.training_features import FILE
from gencore.store import events
from gencore.store.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.store.extractor_runs import features_run
from gencore.store.runs import Run, run


@pytest.fixture(scope="module")
def models_home(
    tmp_path_factory: pytest.TempPathFactory, extractor_home: Path, few_digits: ImageData
) -> Path:
    """`vae`, `cgan` and `ddpm` on the digits, and the digits' classifier."""
    folder = tmp_path_factory.mktemp("models") / "home"
    shutil.copytree(extractor_home, folder)
    for family in ("cgan", "ddpm"):
        trained(folder, family, few_digits)
    return folder


@pytest.fixture
def models(home: Path, models_home: Path) -> Path:
    """A copy of them all in this test's home."""
    shutil.copytree(models_home, home, dirs_exist_ok=True)
    return home


def test_the_page_generates_what_gencore_sample_writes(models: Path, gencore, tmp_path: Path) -> None:
    assert (
        gencore("sample", "cgan", "--count", 12, "--seed", 3, "--digit", 4, "--out", tmp_path / "x.npz").code
        == 0
    )
    samples = generation.draw(SamplingOptions(run("cgan")), 12, 4, 3)
    for content in ((tmp_path / "x.npz").read_bytes(), generation.file(samples, "npz")):
        arrays = np.load(io.BytesIO(content))
        np.testing.assert_array_equal(arrays["images"], samples.images[:, 0])
        assert arrays["labels"].tolist() == [4] * 12
    assert Image.open(io.BytesIO(generation.file(samples, "png"))).size == (10 * 28, 2 * 28)


def test_the_grid_has_every_class_with_the_same_latents(models: Path) -> None:
    samples = generation.grid(SamplingOptions(run("cgan")), 3, 5)
    assert samples.labels.tolist() == [digit for digit in range(10) for _ in range(3)]
    model = generation.load(SamplingOptions(run("cgan"))).model
    z = model.draw_latent(3, Generator().manual_seed(5))
    sevens = quantise(model.decode(z, torch.eye(10)[[7] * 3]))
    assert (
        samples.images[21:24].int() - sevens.int()
    ).abs().max() <= 1  # batches of other sizes round differently


def test_floats_and_bytes_give_the_same_pixels(models: Path) -> None:
    images = torch.tensor([-3.0, -1, 0, 1, 3]).view(1, 1, 1, 5)
    shown = generation.pictures(images)
    assert shown.shape == (1, 1, 5, 3) and shown[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]
    np.testing.assert_array_equal(generation.pictures(quantise(images)), shown)


def test_newer_weights_generate_new_images(models: Path) -> None:
    one = run("vae")
    before = generation.draw(SamplingOptions(one), 4, None, 0).images
    path = one.checkpoints / "final.safetensors"
    kept = load_checkpoint(path)
    changed = {
        name: tensor * 1.5 if tensor.is_floating_point() else tensor for name, tensor in kept.tensors.items()
    }
    save_checkpoint(path, changed, kept.metadata)
    os.utime(path, (2e9, 2e9))
    assert not torch.equal(generation.draw(SamplingOptions(one), 4, None, 0).images, before)


def test_more_passes_than_the_limit_are_refused_with_what_is_allowed(models: Path) -> None:
    with pytest.raises(ValueError, match="ask for 5000 images"):
        generation.draw(SamplingOptions(run("ddpm"), changes=(("sampling_steps", 20),)), 5001, None, 0)


def test_a_change_that_contradicts_the_model_is_refused_in_one_line(models: Path) -> None:
    with pytest.raises(ValueError, match="lower sampling_steps") as refusal:
        generation.draw(SamplingOptions(run("ddpm"), changes=(("sampling_steps", 99),)), 1, None, 0)
    assert "\n" not in str(refusal.value)


def test_the_nearest_training_image_of_a_training_image_is_itself(models: Path) -> None:
    train = generation.real(DATASETS["digits"], "train")
    found = generation.nearest_training(DATASETS["digits"], train[5:9])
    assert torch.equal(found.images, train[5:9]) and found.distances.max() == 0 and found.among == len(train)


def test_features_of_training_images_are_computed_once_with_progress_and_kept_on_disk(models: Path) -> None:
    train, kept = generation.real(DATASETS["digits"], "train"), features_run("digits").checkpoints / FILE
    kept.unlink()  # measuring the floors has stored them
    shares: list[float] = []
    first = generation.nearest_training(DATASETS["digits"], train[:3], shares.append)
    assert shares == [1000 / 1500, 1.0]
    generation.nearest_training(DATASETS["digits"], train[:3], shares.append)
    assert len(shares) == 2, "kept in memory"
    st.cache_resource.clear()
    again = generation.nearest_training(DATASETS["digits"], train[:3], shares.append)
    assert len(shares) == 2, "kept on disk"
    assert torch.equal(first.images, again.images) and (first.distances == again.distances).all()
    kept.write_bytes(kept.read_bytes()[:-1])
    st.cache_resource.clear()
    generation.nearest_training(DATASETS["digits"], train[:3], shares.append)
    assert len(shares) == 4, "damaged, so computed again"


def test_a_page_downloads_no_data_and_says_where_they_should_lie(home: Path) -> None:
    with pytest.raises(DataError, match="GENCORE_DATA"):
        generation.real(DATASETS["mnist"], "train")


def test_a_run_without_weights_is_refused(home: Path) -> None:
    made_runs.trained(home, "digits-vae", made_runs.config("vae"))
    with pytest.raises(CheckpointError, match="train it first"):
        generation.load(SamplingOptions(run("digits-vae")))


def test_without_runs_it_says_what_to_do(home: Path) -> None:
    app = visit("gallery")
    assert "press **Start**" in text_of(app) and not pictures(app)


def test_each_model_has_a_sheet_with_its_sampler_and_step(models: Path) -> None:
    app = visit("gallery", ["vae", "cgan", "ddpm"], count="7")
    assert list(pictures(app)) == [
        f"7 images generated by the {label} of run {name}"
        for label, name in (("VAE", "vae"), ("cGAN", "cgan"), ("DDPM", "ddpm"))
    ]
    shown = text_of(app)
    assert "one pass of the generator · weights of step 4" in shown and "2 network evaluations" in shown


def test_a_link_restores_all_choices(models: Path) -> None:
    address = {"seed": "9", "count": "3", "digit": "7", "sampler": "ddim", "steps": "5", "prior": "normal"}
    app = visit("gallery", ["ddpm", "vae"], **address)
    assert re.findall(r":gray\[(\w+)\]", text_of(app)) == ["ddpm", "vae"]
    assert (app.number_input(key="seed").value, app.slider(key="count").value) == (9, 3)
    assert app.selectbox(key="digit").value == "7"
    assert "DDIM, eta 0, 5 network evaluations" in text_of(
        visit("gallery", ["ddpm"], sampler="ddim", steps="5")
    )


def test_guidance_is_offered_for_conditional_ddpms_only(models: Path) -> None:
    plan = run("ddpm").config()
    made = run("cddpm")
    made.create(plan.model_copy(update={"model": plan.model.model_copy(update={"conditional": True})}))
    shown = visit("gallery", ["cddpm", "vae"], guidance="3", show="digit by row")
    assert shown.number_input(key="guidance").value == 3 and shown.number_input(key="guidance").max == 20
    assert "guidance" not in [widget.key for widget in visit("gallery", ["ddpm"]).number_input]


def test_another_seed_gives_other_images_and_the_same_seed_the_same(models: Path) -> None:
    app = visit("gallery", ["cgan"])
    first = pictures(app)
    another = next(button for button in app.main.button if button.label == "Another")
    second = pictures(checked(another.click().run()))
    assert app.number_input(key="seed").value == 1
    assert first.keys() == second.keys() and first != second
    assert pictures(visit("gallery", ["cgan"], seed="1")) == second


def test_a_digit_is_generated_by_conditional_models_and_recognised_in_the_others(models: Path) -> None:
    app = visit("gallery", ["cgan", "vae"], digit="3", count="10")
    assert "10 images generated by the cGAN of run cgan" in pictures(app)
    drawn = generation.draw(SamplingOptions(run("vae")), 10, None, 0)
    kept = (generation.recognised(DATASETS["digits"], drawn.images) == 3).sum()
    assert f"recognises a 3 in {kept} of its 10 images." in text_of(app)
    assert (f"{kept} images generated by the VAE of run vae" in pictures(app)) == (kept > 0)


def test_without_a_classifier_no_digit_is_recognised_and_the_command_is_named(models: Path) -> None:
    shutil.rmtree(models / "checkpoints/features-digits")
    app = visit("gallery", ["cgan", "vae"], digit="3")
    assert "gencore features digits" in text_of(app) and len(pictures(app)) == 1


def test_the_last_weights_are_used_on_request_and_their_absence_is_reported(
    models: Path,
) -> None:
    delivered = run("cgan").checkpoints / "final.safetensors"
    kept = load_checkpoint(delivered)
    averaged = {name: tensor for name, tensor in kept.tensors.items() if name.startswith("average.")}
    save_checkpoint(delivered, averaged, kept.metadata)
    usual = pictures(visit("gallery", ["vae", "cgan"]))
    app = visit("gallery", ["vae", "cgan"], averaged="false")
    [(alt, url)] = pictures(app).items()
    assert usual[alt] != url and "delivered with its averaged weights only" in text_of(app)


def test_the_nearest_training_image_is_shown_below_each_image_on_request(models: Path) -> None:
    app = visit("gallery", ["vae"], nearest="true", count="4")
    [alt] = pictures(app)
    assert alt.endswith("each above its nearest training image")
    assert "of 1,500 training images" in text_of(app)


def test_without_the_data_set_the_nearest_image_says_how_to_get_it(
    models: Path, few_digits: ImageData
) -> None:
    made = run("mnist")
    made.create(tiny_config("vae").model_copy(update={"data": DataConfig(dataset="mnist")}))
    shutil.copytree(models / "checkpoints/vae", made.checkpoints, dirs_exist_ok=True)
    app = visit("gallery", ["mnist"], nearest="true")
    assert "MNIST is not in" in text_of(app) and "GENCORE_DATA" in text_of(app)


def test_conditional_models_show_one_row_per_digit_and_others_say_why_not(models: Path) -> None:
    app = visit("gallery", ["vae", "cgan"], show="digit by row")
    assert list(pictures(app)) == ["One row per class, generated by the cGAN of run cgan"]
    assert "None of these models takes a label" in text_of(visit("gallery", ["vae"], show="class by row"))


def test_the_slider_selects_a_training_step(home: Path) -> None:
    for preset in ("vae", "cgan"):
        made_runs.trained(home, preset, made_runs.config(preset))
    early = visit("gallery", ["vae", "cgan"], show="over training", after="12")
    late = visit("gallery", ["vae", "cgan"], show="over training")
    assert "after epoch 1.0" in text_of(early) and late.select_slider(key="after").value == 48
    assert len(pictures(early)) == len(pictures(late)) == 2
    assert not set(pictures(early).values()) & set(pictures(late).values())


def test_a_sheet_that_leads_out_of_its_folder_is_not_shown(home: Path) -> None:
    made = made_runs.trained(home, "vae", made_runs.config("vae"))
    events.append(made.events_path, events.Sheet(step=99, epoch=9, file="../../secret.png"))
    app = visit("gallery", ["vae"], show="over training")
    assert "leads out" in text_of(app) and not pictures(app)
    with pytest.raises(sheets.SheetError):
        sheets.of_run(made.results, "/etc/passwd")


@pytest.fixture
def running(home: Path) -> Iterator[Run]:
    made = made_runs.trained(home, "new", made_runs.config("gan"), until=0.5, end=None)
    with made.claim():
        yield made


def test_a_training_without_weights_says_when_it_will_have_some(running: Run) -> None:
    app = visit("gallery", ["new"])
    assert "first weights are saved after epoch 10" in text_of(app) and not app.main.warning


def test_a_running_training_uses_its_newest_weights(models: Path) -> None:
    with run("vae").claim():
        assert len(pictures(visit("gallery", ["vae"]))) == 1


def test_a_died_or_corrupt_run_is_named_and_the_others_are_shown(models: Path) -> None:
    made_runs.trained(models, "dead", made_runs.config("gan"), until=0.5, end=None)
    (run("ddpm").checkpoints / "final.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{rubbish")
    made_runs.trained(models, "bad", made_runs.config("vae")).config_path.write_text(
        '{"model": {"family": "<i>x</i>"}}'
    )
    app = visit("gallery", ["dead", "ddpm", "bad", "vae"])
    shown = text_of(app)
    assert "run dead has no checkpoint" in shown and "**bad** is unreadable" in shown
    assert len(app.main.warning) == 3 and list(pictures(app)) == ["20 images generated by the VAE of run vae"]


def test_a_run_named_twice_in_the_address_is_shown_once_and_an_unknown_one_is_named(models: Path) -> None:
    app = visit("gallery", ["gone", "vae", "vae"])
    assert "No run named **gone**" in text_of(app) and len(pictures(app)) == 1
