"""Reconstruction and interpolation: closed cases, figures of the suite, sheets and strips of the commands."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import Result, latent_space
from torch import Generator, Tensor
from visits import trained

from gencore.config.datasets import DATASETS
from gencore.data.batches import quantise
from gencore.data.sources import ImageData, load
from gencore.evaluation.evaluate import evaluate
from gencore.latent import reconstruction
from gencore.latent.reconstruction import Reconstructions, reconstruct
from gencore.latent.traversal import LatentSpace
from gencore.models.feature_extractor import load_extractor
from gencore.models.load import load_model
from gencore.store.runs import run

Gencore = Callable[..., Result]
DIGITS = DATASETS["digits"]
CPU = torch.device("cpu")


def giving_back(change: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Reconstructions:
    """The reconstructions of all images by a model whose `reconstruct` is `change`, of images in [-1, 1]."""
    space = latent_space("vae", 0.1)
    space.model.reconstruct = change
    return reconstruct(space, ImageData(images, labels, DIGITS), len(images))


def patches(values: list[int]) -> Tensor:
    """Images of one grey value each."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous()


# ---------------------------------------------------------------- which images


def test_classes_are_taken_in_turn_also_where_a_split_is_sorted_and_one_runs_out() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 3, 3])
    assert reconstruction.in_turn(labels, 3).tolist() == [0, 4, 5]
    assert reconstruction.in_turn(labels, 7).tolist() == [0, 4, 5, 1, 6, 2, 3]


def test_rows_are_originals_reconstructions_and_differences_and_go_on_below() -> None:
    found = giving_back(lambda x: x + 50 / 127.5 * (x < 0), patches([0, 100, 200]), torch.tensor([0, 1, 2]))
    rows = found.rows(2)[:, 0, 0, 0].tolist()
    assert rows == [0, 100, 50, 150, 50, 50, 200, 0, 200, 0, 0, 0]


# ---------------------------------------------------------------- closed cases


def test_a_known_error_has_its_psnr_by_image_by_class_and_in_the_mean() -> None:
    def change(x: Tensor) -> Tensor:  # an error of 0.1 of black, 0.01 of grey, 0.001 of white images
        return torch.where(x < -0.5, x + 0.2, torch.where(x < 0.5, x + 0.02, x - 0.002))

    found = giving_back(change, patches([0, 0, 128, 255]), torch.tensor([4, 4, 4, 7]))
    assert found.numbers.tolist() == [0, 3, 1, 2]
    torch.testing.assert_close(found.psnr, torch.tensor([20.0, 60, 20, 40]).double(), atol=1e-3, rtol=0)
    four, seven = reconstruction.by_class(found)
    assert (four.class_name, four.images, seven.class_name, seven.images) == ("4", 3, "7", 1)
    assert four.psnr == pytest.approx(80 / 3, abs=1e-3) and seven.psnr == pytest.approx(60, abs=1e-3)
    assert found.best.numbers.tolist() == [3, 2, 0, 1]
    assert found.worst.numbers.tolist()[-1] == 3 and len(found.worst.numbers) == 4


def test_a_perfect_copy_has_infinite_psnr_which_is_null_in_a_report_and_ssim_one() -> None:
    images = torch.randint(0, 2, (3, 1, 28, 28), generator=Generator().manual_seed(0)).to(torch.uint8) * 255
    found = giving_back(lambda x: x, images, torch.tensor([0, 1, 1]))
    assert found.psnr.tolist() == [math.inf] * 3
    assert not found.differences.any() and torch.equal(found.images, found.originals)
    for row in [*reconstruction.by_image(found), *reconstruction.by_class(found)]:
        assert row.psnr is None and row.ssim == pytest.approx(1, abs=1e-12)


def test_one_perfect_copy_makes_the_mean_of_its_class_null_and_of_no_other() -> None:
    found = giving_back(lambda x: x + 0.2 * (x < 0.5), patches([0, 255, 0]), torch.tensor([2, 2, 5]))
    assert [one.psnr for one in reconstruction.by_class(found)] == [None, pytest.approx(20, abs=1e-3)]
    assert reconstruction.decibels(found.psnr) is None


def test_a_conditional_diffusion_model_is_given_the_label_of_each_image() -> None:
    space = latent_space("ddpm", 0.1, conditional=True, guidance=3.0)
    images = load(DIGITS, "test").images[:2]
    both = reconstruction.given_back(space, images, torch.tensor([3, 7]))
    for i, label in enumerate((3, 7)):
        alone = space.draw(space.invert(images[[i]], label))
        torch.testing.assert_close(both[[i]], (alone + 1) / 2, atol=1e-4, rtol=0)
    assert not torch.allclose(both, reconstruction.given_back(space, images, torch.tensor([4, 4])), atol=1e-3)


def test_inversion_takes_as_many_steps_as_sampling_where_these_are_more() -> None:
    passes = {
        steps: latent_space("ddpm", 0.1, timesteps=200, sampling_steps=steps).model.inversion_passes
        for steps in (10, 50, 120)
    }
    assert passes == {10: 50, 50: 50, 120: 120}
    assert latent_space("ddpm", 0.1).model.inversion_passes == 20  # the length of its chain


# ---------------------------------------------------------------- commands


@pytest.fixture
def models(home: Path, few_digits: ImageData) -> Path:
    for family in ("vae", "cgan", "ddpm"):
        trained(home, family, few_digits)
    return home


def test_the_mean_over_the_test_split_is_what_an_evaluation_measures(
    gencore: Gencore, with_extractor: Path
) -> None:
    metrics = evaluate(run("vae"), CPU, 50, groups=("reconstruction",)).metrics
    found = gencore("reconstruct", "vae", "--count", 297, "--json", "--out", with_extractor / "x.png").json
    assert found["psnr"] == pytest.approx(metrics["reconstruction_psnr"].value, rel=1e-6)
    assert found["ssim"] == pytest.approx(metrics["reconstruction_ssim"].value, rel=1e-6)
    assert len(found["images"]) == sum(one["images"] for one in found["classes"]) == 297


@pytest.mark.parametrize("family", ["vae", "ddpm"])
def test_a_sheet_has_the_images_that_the_figures_are_of(gencore: Gencore, models: Path, family: str) -> None:
    out = models / "new folder" / "sheet.png"
    done = gencore("reconstruct", family, "--count", 12, "--out", out)
    assert done.code == 0 and "best 1" in done.out and "worst 5" in done.out and str(out) in done.err
    with Image.open(out) as sheet:
        originals, given_back, differences = np.asarray(sheet).astype(int).reshape(3, 28, 12, 28)
    assert (abs(originals - given_back) == differences).all()
    found = gencore("reconstruct", family, "--count", 12, "--out", out, "--json").json
    test = load(DIGITS, "test")
    for i, one in enumerate(found["images"]):
        assert one["class_name"] == str(test.labels[one["number"]].item())
        assert (test.images[one["number"], 0].numpy() == originals[:, i]).all()
        error = ((differences[:, i] / 255) ** 2).mean()
        if error:  # of rounded pixels, as the sheet has them
            assert one["psnr"] == pytest.approx(-10 * math.log10(error), abs=0.1)
        else:
            assert one["psnr"] is None or one["psnr"] > 50
    assert found["best"][0] == max(found["images"], key=lambda one: one["psnr"])["number"]
    assert found["worst"][0] == min(found["images"], key=lambda one: one["psnr"])["number"]
    assert found["origin"]["command"].startswith(f"gencore reconstruct {family}")


def test_more_than_twenty_images_go_on_in_three_rows_below(gencore: Gencore, models: Path) -> None:
    assert (
        gencore("reconstruct", "vae", "--count", 25, "--out", models / "x.png", "--split", "train").code == 0
    )
    with Image.open(models / "x.png") as sheet:
        assert sheet.size == (20 * 28, 6 * 28)


def test_the_number_of_sampling_steps_changes_what_a_diffusion_model_gives_back(
    gencore: Gencore, models: Path
) -> None:
    found = [
        gencore("reconstruct", "ddpm", "--steps", steps, "--json", "--out", models / "x.png").json["psnr"]
        for steps in (1, 20)
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("reconstruct cgan", "cgan is a cGAN, which cannot find the latent of an image; name a run of a VAE"),
        ("reconstruct vae --steps 4", "vae is a VAE, which has no sampler with steps"),
        ("reconstruct ddpm --steps 21", "--steps is 21; ddpm takes 1 to 20"),
        ("reconstruct vae --count 298", "has 297 images, so use 1 to 297"),
        ("reconstruct vae --count 0", "--count is 0"),
        ("interpolate cgan", "name two with --from and --to, which may be the same"),
        (
            "interpolate vae --from 3 --to eight",
            "eight is no class of scikit-learn digits; there are 0, 1, 2",
        ),
        ("interpolate vae --from 3 --to 8 --to-seed 2", "leave --to-seed out"),
        ("interpolate vae --from 3 --to 8", "gencore features digits"),
    ],
)
def test_what_a_run_cannot_do_is_one_line_with_what_to_do_and_nothing_is_written(
    gencore: Gencore, models: Path, words: str, names: str
) -> None:
    result = gencore(*words.split(), "--out", models / "refused.png")
    assert result.code == 2 and result.out == "" and names in result.complaint
    assert not (models / "refused.png").exists()


def strip_of(path: Path) -> Tensor:
    """The images (N, 1, H, W) uint8 of a strip of grey images."""
    with Image.open(path) as strip:
        return torch.from_numpy(np.stack(np.split(np.asarray(strip), strip.width // strip.height, 1)))[
            :, None
        ]


def of_run(name: str) -> LatentSpace:
    return LatentSpace(load_model(run(name), CPU)[0], torch.float32)


def assert_same_pixels(a: Tensor, b: Tensor) -> None:
    assert (a.int() - b.int()).abs().max() <= 1  # batches of other sizes round otherwise


def test_a_strip_goes_from_the_latent_of_one_seed_to_that_of_another(gencore: Gencore, models: Path) -> None:
    out = models / "x.png"
    for words, seeds in ((["--seed", 3, "--to-seed", 9], (3, 9)), ([], (0, 1)), (["--seed", 4], (4, 5))):
        for family in ("vae", "ddpm"):
            assert gencore("interpolate", family, "--steps", 4, "--out", out, *words).code == 0
            strip = strip_of(out)
            assert len(strip) == 5
            for end, seed in zip(strip[[0, -1]], seeds, strict=True):
                space = of_run(family)
                assert_same_pixels(end[None], quantise(space.draw(space.random(seed, None))))


def test_slerp_and_lerp_have_the_same_ends_and_another_middle(gencore: Gencore, models: Path) -> None:
    strips = []
    for method in ("slerp", "lerp"):
        gencore("interpolate", "vae", "--steps", 2, "--method", method, "--out", models / f"{method}.png")
        strips.append(strip_of(models / f"{method}.png"))
    slerp, lerp = strips
    assert_same_pixels(slerp[[0, 2]], lerp[[0, 2]])
    assert not torch.equal(slerp[1], lerp[1])


def test_a_conditional_model_keeps_its_latent_from_class_to_class_unless_another_seed_is_given(
    gencore: Gencore, models: Path
) -> None:
    out, space = models / "x.png", of_run("cgan")
    for words, to_seed in (([], 6), (["--to-seed", 2], 2)):
        assert (
            gencore("interpolate", "cgan", "--from", 3, "--to", 8, "--seed", 6, "--out", out, *words).code
            == 0
        )
        strip = strip_of(out)
        assert_same_pixels(strip[:1], quantise(space.draw(space.random(6, 3))))
        assert_same_pixels(strip[-1:], quantise(space.draw(space.random(to_seed, 8))))


def test_ends_of_a_model_without_labels_are_those_recognised_with_the_highest_probability(
    gencore: Gencore, with_extractor: Path
) -> None:
    out = with_extractor / "x.png"
    done = gencore("interpolate", "vae", "--from", 3, "--to", 8, "--steps", 40, "--out", out)
    assert done.code == 0 and "first image: 3 with probability" in done.err
    assert "last image: 8 with probability" in done.err
    morph = of_run("vae").morph(load_extractor(DATASETS["digits"], CPU, with_extractor), seed=0)
    assert_same_pixels(strip_of(out), morph)  # which goes from 3 to 8 in 40 steps
