"""Images in pairs, of a source and what is to be made from it: descriptions, data and batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_cuda import fake_cuda, no_host_wait
from pydantic import ValidationError
from test_capture import StandIn

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.options import PRESETS
from gencore.cuda_graphs import WARM_UP
from gencore.data import own
from gencore.data.batches import Batch, Batches, dequantise
from gencore.data.jitter import Jitter
from gencore.data.sources import ImageData
from gencore.training.capture import CapturedStep

DIGITS = DATASETS["digits"]


def spec_of(channels: int, source_channels: int, size: int) -> DatasetSpec:
    return DatasetSpec(
        name="pairs",
        title="Pairs",
        channels=channels,
        source_channels=source_channels,
        size=size,
        class_names=("a", "b"),
        train_count=50,
        test_count=10,
        digest="0" * 64,
    )


def numbered_pairs(count: int, size: int = 16) -> ImageData:
    """Pairs whose source is the negative of their image, in which each pixel has a value of its own."""
    images = torch.randint(
        256, (count, 1, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return ImageData(images, torch.arange(count), spec_of(1, 1, size), 255 - images)


def test_pairs_may_be_four_times_as_large_as_images_that_come_alone() -> None:
    assert spec_of(3, 1, 256).is_paired and not DIGITS.is_paired
    with pytest.raises(ValidationError, match="size is 68; images that come alone have at most 64"):
        spec_of(3, 0, 68)


def test_the_description_of_images_that_come_alone_is_written_as_before_there_were_pairs() -> None:
    alone, paired = spec_of(3, 0, 64), spec_of(3, 1, 64)
    assert "source_channels" not in alone.model_dump_json() and "source_channels" not in alone.model_dump()
    for spec in (alone, paired):
        assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec
        config = PRESETS["pix2pix" if spec.is_paired else "ddpm"].on(spec)
        assert type(config).model_validate_json(config.model_dump_json()) == config


def test_a_batch_gives_each_image_its_own_source() -> None:
    batch = Batches(numbered_pairs(50), 8, seed=3).batch(7)
    assert batch.sources is not None and batch.sources.dtype == torch.float32
    torch.testing.assert_close(batch.sources, -batch.images)
    assert torch.equal(batch.images, dequantise(numbered_pairs(50).images[batch.labels]))


def test_the_digest_depends_on_sources_where_there_are_some_and_is_that_of_images_else() -> None:
    pairs = numbered_pairs(5)
    assert pairs.sources is not None
    other = replace(pairs, sources=pairs.sources.roll(1, 0))
    alone = replace(pairs, sources=None)
    assert len({pairs.digest, other.digest, alone.digest}) == 3
    assert pairs.to("cpu").digest == pairs.digest


def test_a_captured_step_gets_the_sources_of_each_batch() -> None:
    batches = Batches(numbered_pairs(50), 8, seed=3)

    def step(batch: Batch) -> dict[str, torch.Tensor]:
        assert batch.sources is not None
        return {"sources": batch.sources.mean(), "images": batch.images.mean()}

    captured = CapturedStep(StandIn(), step)
    for number in range(WARM_UP + 3):
        batch = batches.batch(number)
        figures = captured(batch)
        torch.testing.assert_close(figures["sources"], -batch.images.mean())
        torch.testing.assert_close(figures["images"], batch.images.mean())


def jittered(seed: int, step: int, size: int = 16) -> Batch:
    return Batches(numbered_pairs(50, size), 8, seed, is_jittered=True).batch(step)


@pytest.mark.parametrize("size", [16, 28, 256])
def test_jitter_changes_image_and_source_alike_and_keeps_their_form(size: int) -> None:
    batch, plain = jittered(3, 2, size), Batches(numbered_pairs(50, size), 8, 3).batch(2)
    assert batch.sources is not None and batch.images.shape == plain.images.shape
    torch.testing.assert_close(batch.sources, -batch.images)
    assert torch.equal(batch.labels, plain.labels) and not torch.equal(batch.images, plain.images)


def test_jitter_is_the_crop_and_the_flip_of_the_image_with_a_mirrored_border() -> None:
    images = numbered_pairs(6, 32).images
    rows, columns, flips = torch.tensor([[-2, 0, 2, 1, 0, -1], [0, -2, 1, 2, 0, 0], [0, 0, 1, 1, 1, 0]])
    ours = Jitter(rows, columns, flips)(images)
    for i, image in enumerate(images):
        wide = torch.nn.functional.pad(image.float(), (2,) * 4, mode="reflect")
        wide = wide.flip(2) if flips[i] else wide
        # a crop to the right of the flipped image is one to the left of the image itself
        left = 2 - int(columns[i]) if flips[i] else 2 + int(columns[i])
        top = 2 + int(rows[i])
        assert torch.equal(ours[i].float(), wide[:, top : top + 32, left : left + 32])


def test_jitter_is_drawn_by_seed_and_step_alone() -> None:
    assert torch.equal(jittered(3, 9).images, jittered(3, 9).images)
    drawn = [tuple(jittered(seed, step).images.flatten().tolist()) for seed in (0, 1) for step in (0, 1, 6)]
    assert len(set(drawn)) == len(drawn)


def test_jitter_reaches_a_sixteenth_of_the_side_each_way_and_flips_half() -> None:
    drawn = Jitter.draw(2000, 256, torch.Generator().manual_seed(0), torch.device("cpu"))
    for shifts in (drawn.rows, drawn.columns):
        assert (shifts.min(), shifts.max()) == (-16, 16)
    assert 0.45 < drawn.flips.float().mean() < 0.55


@pytest.mark.parametrize("most", [10**9, 1])
def test_batches_of_pairs_on_the_device_or_in_a_file_do_not_make_the_host_wait(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(own, "MAPPED_FROM", most)
    with fake_cuda() as device:
        data = ImageData(
            torch.empty(24, 3, 32, 32, dtype=torch.uint8),
            torch.empty(24, dtype=torch.int64),
            spec_of(3, 1, 32),
            torch.empty(24, 1, 32, 32, dtype=torch.uint8),
        ).for_batches(device)
        assert data.images.device == (device if most > 1 else torch.device("cpu"))
        with no_host_wait():
            batch = Batches(data, 8, seed=0, is_jittered=True).batch(1)
    assert batch.sources is not None
    assert {x.device for x in (batch.images, batch.labels, batch.sources)} == {device}
