"""pix2pix and Palette: patches of the PatchGAN, sizes of the U-Net, eight pairs, noise, translating files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from support import QUIET, Result, pairs_of, record
from torch import Generator

from gencore.config.datasets import DATASETS
from gencore.config.options import (
    PRESETS,
    DataConfig,
    ModelConfig,
    PaletteConfig,
    Pix2PixConfig,
    RunConfig,
    TrainingConfig,
)
from gencore.data.batches import Batch, dequantise
from gencore.data.source_pictures import read_sources
from gencore.data.sources import ImageData, load
from gencore.models import build
from gencore.models.base import GenerativeModel, Translates
from gencore.networks.patchgan import PatchDiscriminator, patch_depth
from gencore.networks.translation_unet import TranslationUNet, resolutions
from gencore.sampling.translate import fixed_pairs, translate, triptychs
from gencore.store.checkpoints import load_checkpoint
from gencore.store.events import QuickDistance, Sheet
from gencore.store.runs import run
from gencore.training.step import State

CPU = torch.device("cpu")
SIZES = (28, 32, 64, 128, 256)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


# Networks


@pytest.mark.parametrize(("depth", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
@pytest.mark.parametrize("norm", ["batch", "instance", None])
def test_an_output_of_a_patchgan_depends_on_as_many_pixels_as_it_says(
    depth: int, side: int, norm: str | None
) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(2, depth, 4, None if norm == "instance" else norm).eval()
    source = torch.randn(1, 1, side + 40, side + 40, requires_grad=True)
    output = network(source, torch.randn(1, 1, side + 40, side + 40))
    middle = output.shape[2] // 2
    output[0, 0, middle, middle].backward()
    assert source.grad is not None
    touched = source.grad[0, 0].abs() > 0
    rows, columns = touched.any(dim=1).nonzero()[:, 0], touched.any(dim=0).nonzero()[:, 0]
    assert network.receptive_field == side
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == side


@pytest.mark.parametrize(
    ("size", "field", "patches"), [(28, 16, 12), (32, 16, 14), (64, 34, 14), (128, 70, 14), (256, 70, 30)]
)
def test_patches_are_the_papers_at_256_pixels_and_about_half_of_smaller_images(
    size: int, field: int, patches: int
) -> None:
    network = PatchDiscriminator(2, patch_depth(size), 4)
    image = torch.randn(2, 1, size, size)
    assert network.receptive_field == field
    assert network(image, image).shape == (2, 1, patches, patches)


def test_at_the_papers_width_the_networks_have_its_parameters() -> None:
    unet = TranslationUNet(3, 3, 256, 64, "batch", 0.5)
    patchgan = PatchDiscriminator(6, 3, 64)
    # of the authors' implementation, "unet_256" and "basic": 54.41 and 2.77 million
    assert round(sum(x.numel() for x in unet.parameters()) / 1e6, 2) == 54.41
    assert round(sum(x.numel() for x in patchgan.parameters()) / 1e6, 2) == 2.77


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (28, [28, 14, 7, 3, 1]),
        (32, [32, 16, 8, 4, 2, 1]),
        (64, [64, 32, 16, 8, 4, 2, 1]),
        (128, [128, 64, 32, 16, 8, 4, 2, 1]),
        (256, [256, 128, 64, 32, 16, 8, 4, 2, 1]),
        (252, [252, 126, 63, 31, 15, 7, 3, 1]),
    ],
)
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_unet_goes_down_to_one_pixel_and_back_at_every_size(
    size: int, sides: list[int], norm: str
) -> None:
    network = TranslationUNet(1, 3, size, 8, norm, 0.5).train()
    seen: list[int] = []
    for block in (*network.encoder, *network.decoder):
        block.register_forward_hook(lambda _, __, h: seen.append(h.shape[2]))
    masks = network.draw_masks(2, rng())
    assert network(torch.randn(2, 1, size, size), masks).shape == (2, 3, size, size)
    assert resolutions(size) == sides
    assert seen == [*sides[1:], *sides[-2::-1]]


@pytest.mark.parametrize("size", SIZES)
def test_dropout_is_in_the_coarse_decoder_blocks_alone(size: int) -> None:
    network = TranslationUNet(1, 1, size, 8, "batch", 0.5)
    rates = [block.dropout for block in network.decoder]
    count = 2 if size == 28 else 3  # maps of 3 and 7 pixels, or of 2, 4 and 8
    assert rates == [0.5] * count + [0.0] * (len(rates) - count)


# Models


def small(family: str, **changes: object) -> ModelConfig:
    if family == "palette":
        return PaletteConfig(**{"width": 32, "sampling_steps": 4} | changes)
    return Pix2PixConfig(
        **{"width": 16, "generator_learning_rate": 2e-3, "discriminator_learning_rate": 5e-4} | changes
    )


def test_a_translation_model_is_no_generative_one() -> None:
    for family in ("pix2pix", "palette"):
        model = build(small(family), pairs_of("digits").spec)
        assert isinstance(model, Translates) and not isinstance(model, GenerativeModel)


@pytest.mark.parametrize("family", ["pix2pix", "palette"])
def test_the_same_noise_gives_the_same_image_whatever_the_global_state(family: str) -> None:
    pairs = pairs_of("digits", 4)
    model = build(small(family), pairs.spec).eval()
    for x in model.averaged.parameters():
        torch.nn.init.normal_(x, 0, 0.1, generator=rng(1))
    source = dequantise(pairs.sources)
    images = []
    with torch.no_grad():
        for global_seed, seed in ((0, 1), (5, 1), (0, 2)):
            torch.manual_seed(global_seed)
            images.append(model.translate(source, rng(seed)))
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
    assert images[0].shape == (4, 1, 28, 28) and images[0].abs().max() <= 1


def test_without_dropout_pix2pix_is_a_function_of_the_source() -> None:
    pairs = pairs_of("digits", 2)
    model = build(small("pix2pix", dropout=0), pairs.spec).eval()
    with torch.no_grad():
        one, two = (model.translate(dequantise(pairs.sources), rng(seed)) for seed in (1, 2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("model", "steps", "bound"),
    [
        (small("pix2pix"), 250, 0.12),
        (small("pix2pix", spectral_norm=True, norm="instance"), 250, 0.12),
        (small("pix2pix", adversarial=False), 250, 0.12),
        (small("palette"), 400, 0.12),
    ],
    ids=["pix2pix", "spectral norm", "L1 alone", "palette"],
)
def test_eight_pairs_are_learnt_by_heart(model: ModelConfig, steps: int, bound: float) -> None:
    pairs = pairs_of("digits", 8)
    config = RunConfig(
        data=DataConfig(dataset="edges:digits", batch_size=8),
        model=model,
        training=TrainingConfig(**QUIET | {"ema_decay": 0.9}),
    )
    state = State.fresh(config, pairs, CPU)
    batch = Batch(dequantise(pairs.images), pairs.labels, dequantise(pairs.sources))
    before = error(state, pairs)
    for _ in range(steps):
        state.advance(batch, 1.0)
    assert before > 0.3
    assert error(state, pairs) < bound


def error(state: State, pairs: ImageData) -> float:
    """The mean absolute error of the averaged model on `pairs`, of images in [-1, 1]."""
    made = translate(state.average, pairs.sources, 0, torch.float32)
    return (dequantise(made) - dequantise(pairs.images)).abs().mean().item()


# Configs


@pytest.mark.parametrize("preset", ["pix2pix", "palette"])
def test_a_translation_model_refuses_images_that_come_alone(preset: str) -> None:
    with pytest.raises(
        ValidationError, match="MNIST has none; choose a data set of pairs, such as edges:mnist"
    ):
        PRESETS[preset].on(DATASETS["mnist"])


@pytest.mark.parametrize("preset", ["vae", "cgan", "ddpm"])
def test_a_generative_model_refuses_pairs(preset: str) -> None:
    with pytest.raises(ValidationError, match="is a data set of pairs; choose images that come alone"):
        PRESETS[preset].on(pairs_of("digits").spec)


def test_palette_refuses_large_pairs_and_names_what_takes_them() -> None:
    large = pairs_of("digits").spec.model_copy(update={"size": 256, "name": "large", "digest": "0" * 64})
    assert PRESETS["pix2pix"].on(large).dataset_spec.size == 256
    with pytest.raises(ValidationError, match="at most 64 pixels a side.*or pix2pix"):
        PRESETS["palette"].on(large)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adversarial": False, "l1_weight": 0}, "nothing to learn from"),
        ({"adversarial": False, "spectral_norm": True}, "spectral_norm acts on the PatchGAN"),
    ],
)
def test_switches_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Pix2PixConfig(**changes)


def test_early_stopping_is_refused_where_there_are_no_quick_distances() -> None:
    training = TrainingConfig(patience=3)
    with pytest.raises(ValidationError, match="patience counts quick Fréchet distances, which a training of"):
        RunConfig(data=DataConfig(dataset="edges:digits"), model=Pix2PixConfig(), training=training)


# Training and pictures


@pytest.fixture
def trained(home: Path) -> str:
    """The name of a run that trained for a moment."""
    config = RunConfig(
        data=DataConfig(dataset="edges:digits", batch_size=16),
        model=small("pix2pix"),
        training=TrainingConfig(**QUIET | {"epochs": 1, "sheets": 1}),
    )
    one = run("edges-digits-tiny")
    one.create(config)
    seen = record(one, pairs_of("digits", 64))
    [sheet] = [event for event in seen if isinstance(event, Sheet)]
    assert not any(isinstance(event, QuickDistance) for event in seen)
    with Image.open(one.results / sheet.file) as image:
        assert image.size == (9 * 28, 10 * 28)
        pixels = torch.from_numpy(np.array(image))
    pairs = fixed_pairs(load(config.dataset_spec, "test"), 30)
    assert torch.equal(pixels[:28, :28], pairs.sources[0, 0])
    assert torch.equal(pixels[:28, 56:84], pairs.images[0, 0])
    return one.name


@pytest.mark.parametrize("family", ["pix2pix", "palette"])
def test_a_run_of_pairs_stopped_and_resumed_equals_the_uninterrupted_one_bit_by_bit(
    home: Path, family: str
) -> None:
    pairs = pairs_of("digits", 64)
    config = RunConfig(
        data=DataConfig(dataset="edges:digits", batch_size=16),
        model=small(family),
        training=TrainingConfig(**QUIET | {"epochs": 2, "sheets": 2}),
    )
    found = []
    for name, stops in (("whole", ()), ("stopped", (1, 2))):  # in mid-epoch, and where a sheet is due
        one = run(name)
        one.create(config)
        resume = False
        for steps in stops:
            assert record(one, pairs, resume, stop_at=steps)[-1].status == "stopped"
            resume = True
        assert record(one, pairs, resume)[-1].status == "finished"
        sheets = {path.name: path.read_bytes() for path in sorted(one.results.glob("sheets/*.png"))}
        found.append((load_checkpoint(one.checkpoints / "final.safetensors").digest, sheets))
    assert found[0] == found[1] and len(found[0][1]) == 2


def test_pictures_are_translated_from_files(
    trained: str, gencore: Callable[..., Result], tmp_path: Path
) -> None:
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    wide = torch.stack([4 * columns, 6 * rows, rows + columns], dim=2).to(torch.uint8)
    Image.fromarray(wide.numpy()).save(tmp_path / "wide.png")
    out = tmp_path / "out.png"
    done = gencore("translate", trained, tmp_path / "wide.png", tmp_path / "wide.png", "--out", out)
    assert (
        done.code == 0
        and "2 images by edges-digits-tiny (one pass of the generator, dropout 0.5)" in done.out
    )
    with Image.open(out) as image:
        assert image.size == (56, 28)
    first = out.read_bytes()
    gencore("translate", trained, tmp_path / "wide.png", tmp_path / "wide.png", "--out", out)
    assert out.read_bytes() == first


def test_triptychs_of_test_pairs_are_written(
    trained: str, gencore: Callable[..., Result], tmp_path: Path
) -> None:
    done = gencore("translate", trained, "--test", 4, "--out", tmp_path / "out.png")
    assert done.code == 0 and "triptychs of 4 test pairs" in done.out
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (9 * 28, 2 * 28)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["translate", "RUN"], "there are 0 pictures and --test is 0"),
        (["translate", "RUN", "x.png", "--test", "2"], "there are 1 pictures and --test is 2"),
        (["translate", "RUN", "none.png"], "none.png does not exist"),
        (["translate", "RUN", "--test", "2", "--steps", "3"], "pix2pix has no option sampling_steps"),
        (["translate", "RUN", "--test", "2", "--out", "x.jpg"], "end it in .png"),
        (["sample", "RUN"], "makes images of source images; use `gencore translate edges-digits-tiny`"),
        (["export", "RUN", "--out", "x.onnx"], "use `gencore translate edges-digits-tiny`"),
        (["export", "RUN"], "use `gencore translate edges-digits-tiny`"),
        (["interpolate", "RUN"], "use `gencore translate edges-digits-tiny`"),
        (["train", "pix2pix", "--dataset", "digits"], "such as edges:digits"),
        (["train", "vae", "--dataset", "edges:digits"], "is a data set of pairs"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    trained: str, gencore: Callable[..., Result], words: list[str], message: str
) -> None:
    done = gencore(*(trained if word == "RUN" else word for word in words))
    assert done.code == 2 and message in done.complaint


def test_a_generative_run_is_not_translated_with(
    home: Path, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    run("plain").create(PRESETS["vae-quick"].on(DATASETS["digits"]))
    done = gencore("translate", "plain", "--test", 1)
    assert done.code == 2 and "run plain is a VAE, which takes no source image" in done.complaint


def test_a_picture_is_cut_to_its_middle_and_scaled(tmp_path: Path) -> None:
    spec = pairs_of("digits").spec
    picture = torch.zeros(28, 56, dtype=torch.uint8)
    picture[:, 14:42] = torch.arange(28, dtype=torch.uint8)
    Image.fromarray(picture.numpy()).save(tmp_path / "wide.png")
    [source] = read_sources([tmp_path / "wide.png"], spec)
    assert torch.equal(source[0], picture[:, 14:42])
    [colour] = read_sources([tmp_path / "wide.png"], spec.model_copy(update={"source_channels": 3}))
    assert colour.shape == (3, 28, 28) and all(torch.equal(channel, source[0]) for channel in colour)


def test_a_triptych_has_colour_where_one_of_its_images_has() -> None:
    grey, colour = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.ones(2, 3, 4, 4, dtype=torch.uint8)
    joined = triptychs(grey, colour, 2 * colour)
    assert joined.shape == (6, 3, 4, 4)
    assert joined[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
