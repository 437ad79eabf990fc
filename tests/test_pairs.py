"""Images in pairs, of a source and what is to be made from it: descriptions, data and batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.options import PRESETS
from gencore.data.batches import Batch, Batches, dequantise
from gencore.data.sources import ImageData
from gencore.training.capture import WARM_UP, CapturedStep
from tests.test_capture import StandIn

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

    captured = CapturedStep(StandIn())
    for number in range(WARM_UP + 3):
        batch = batches.batch(number)
        figures = captured(step, batch)
        torch.testing.assert_close(figures["sources"], -batch.images.mean())
        torch.testing.assert_close(figures["images"], batch.images.mean())
