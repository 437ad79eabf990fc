"""What a run is asked to do: data, model, training; and the presets.

These models are the one source of options: command-line flags and their help, the dashboard's forms,
validation and `config.json` all come from their fields. A preset is a complete `RunConfig`.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema
from tyro.conf import Suppress

from gencore.config.datasets import DatasetName, DatasetSpec, published
from gencore.config.families import FAMILIES, family_of, preset_family
from gencore.config.family import Preset, Variant
from gencore.config.gan_section import AdversarialLoss, Augmentation, DiscriminatorNorm, GANConfig
from gencore.config.model_sections import (
    ClassifierConfig,
    DDPMConfig,
    HasSamplers,
    ModelConfig,
    Prior,
    Sampler,
    VAEConfig,
)
from gencore.config.sections import Config, DataConfig, TrainingConfig
from gencore.config.translation_section import PaletteConfig, Pix2PixConfig, TranslationNorm

__all__ = [
    "HEADLINE",
    "PRESETS",
    "QUICK",
    "AdversarialLoss",
    "Augmentation",
    "ClassifierConfig",
    "Config",
    "DDPMConfig",
    "DataConfig",
    "DatasetName",
    "DatasetSpec",
    "DiscriminatorNorm",
    "GANConfig",
    "ModelConfig",
    "PaletteConfig",
    "Pix2PixConfig",
    "Prior",
    "RunConfig",
    "Sampler",
    "HasSamplers",
    "TrainingConfig",
    "TranslationNorm",
    "VAEConfig",
    "EXTRACTORS",
    "features_preset",
    "preset_title",
]


class _OfAnyFamily:
    """Validates a model section as the config class that its `family` names: a union over the table."""

    @staticmethod
    def __get_pydantic_core_schema__(source: type[ModelConfig], handler: GetCoreSchemaHandler) -> CoreSchema:
        union: Any = reduce(or_, (family.config for family in FAMILIES.values()))
        return handler.generate_schema(Annotated[union, Field(discriminator="family")])


class RunConfig(Config):
    """Everything that a training depends on, apart from the machine; `config.json` of the run."""

    data: DataConfig = DataConfig()
    model: Annotated[ModelConfig, _OfAnyFamily]
    training: TrainingConfig = TrainingConfig()
    own_data: Suppress[DatasetSpec | None] = Field(
        None, description="The data set as it was when the run was made, where it is one's own."
    )
    study: Suppress[str | None] = Field(
        None,
        exclude_if=lambda given: given is None,
        description="The study that the run is a trial of; pages list trials where they are asked for.",
    )

    @property
    def sections(self) -> dict[str, Config]:
        """The parts that hold choices, by name."""
        return {"data": self.data, "model": self.model, "training": self.training}

    @property
    def describes_data(self) -> bool:
        """Whether it says what its data set is: a published one, or described in `own_data`."""
        return self.own_data is not None or published(self.data.dataset) is not None

    @property
    def dataset_spec(self) -> DatasetSpec:
        """The data set; of a config that `describes_data`, as those of runs do."""
        found = self.own_data or published(self.data.dataset)
        assert found, f"{self.data.dataset} is not described; ask describes_data first"
        return found

    def on(self, spec: DatasetSpec) -> RunConfig:
        """The same for the data set `spec`. Raises ValidationError where it does not suit the model.

        One's own set may be small: a batch of more than half of its training images becomes the largest power
        of two that is not."""
        given = self.model_dump()
        given["data"]["dataset"] = spec.name
        given["own_data"] = spec if spec.is_own else None
        if spec.is_own and self.data.batch_size > (half := max(2, spec.train_count // 2)):
            given["data"]["batch_size"] = 2 ** (half.bit_length() - 1)
        return RunConfig.model_validate(given)

    @model_validator(mode="after")
    def _suits_the_data(self) -> RunConfig:
        own, _ = self.own_data, published(self.data.dataset)  # refuses a filter that does not suit the set
        if own and own.name != self.data.dataset:
            raise ValueError(f"own_data describes {own.name}, but dataset is {self.data.dataset}")
        if own and self.model.is_conditional and not own.is_labelled:
            raise ValueError(
                f"a {self.label} takes class labels, and {own.title} has none; choose a model without labels"
            )
        if own and self.data.batch_size > own.train_count:
            raise ValueError(
                f"batch_size is {self.data.batch_size}, but {own.title} has {own.train_count} training "
                "images; lower batch_size"
            )
        return self

    @model_validator(mode="after")
    def _pairs_where_there_is_a_source(self) -> RunConfig:
        if not self.describes_data:
            return self
        spec, task = self.dataset_spec, family_of(self.model).task
        if task == "translation" and not spec.is_paired:
            raise ValueError(
                f"{self.label} makes images of source images, and {spec.title} has none; choose a data set "
                f"of pairs, such as edges:{spec.name}"
            )
        if task == "generation" and spec.is_paired:
            raise ValueError(
                f"{self.label} takes no source images, and {spec.title} is a data set of pairs; choose "
                "images that come alone, or a translation model such as pix2pix"
            )
        if spec.size > (largest := self.model.largest_size):
            raise ValueError(
                f"{self.label} takes images of at most {largest} pixels a side, and those of {spec.title} "
                f"have {spec.size}; choose smaller images, or pix2pix"
            )
        return self

    @model_validator(mode="after")
    def _an_image_for_each_step(self) -> RunConfig:
        imitated = self.model.imitated
        if imitated and imitated.steps > self.data.batch_size:
            raise ValueError(
                f"batch_size is {self.data.batch_size}, but each batch teaches a student all of its "
                f"{imitated.steps} steps; raise batch_size, or take fewer steps"
            )
        return self

    @model_validator(mode="after")
    def _early_stopping_has_distances(self) -> RunConfig:
        if self.training.patience is not None and family_of(self.model).task != "generation":
            raise ValueError(
                f"patience counts quick Fréchet distances, which a training of {self.label} has none of; "
                "leave patience out"
            )
        return self

    @model_validator(mode="after")
    def _two_images_for_each_turn(self) -> RunConfig:
        if self.data.batch_size < 2 * (shares := self.model.shares_of_a_batch):
            raise ValueError(
                f"batch_size is {self.data.batch_size}, but the {shares} turns of a step share a batch and "
                f"need 2 images each; set batch_size to {2 * shares} or more, or take fewer steps"
            )
        return self

    @property
    def variant(self) -> Variant:
        """Label, colour and explanation of the model."""
        return family_of(self.model).variant(self.model)

    @property
    def label(self) -> str:
        """The model's name as people write it: VAE, GAN, cGAN, DDPM, cDDPM."""
        return self.model.own_label or self.variant.label

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimisation steps of the whole training."""
        return self.training.steps or self.training.epochs * steps_per_epoch

    def difference(self, other: RunConfig) -> list[str]:
        """One line for each field that differs, as `training.seed: 42 here, 7 there`.

        The study that a run belongs to changes nothing of its training, so it is no difference."""
        ours, theirs = (_flatten(one.model_dump(mode="json", exclude={"study"})) for one in (self, other))
        return [
            f"{key}: {ours.get(key)} here, {theirs.get(key)} there"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]


def _flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


PAIRS = "edges:mnist"
"""The data set of pairs that translation presets name."""


def _presets() -> dict[str, Preset]:
    """Of all families by name, the headline presets first."""
    rows = {name: row for family in FAMILIES.values() for name, row in family.presets.items()}
    return dict(sorted(rows.items(), key=lambda item: not item[1].is_headline))


def _complete(row: Preset) -> RunConfig:
    is_paired = family_of(row.model).task == "translation"
    dataset = PAIRS if is_paired else DataConfig().dataset
    return RunConfig(
        data=DataConfig(dataset=dataset, batch_size=row.batch_size), model=row.model, training=row.training
    )


PRESETS: dict[str, RunConfig] = {name: _complete(row) for name, row in _presets().items()}
"""Complete configurations by name, the headline models first."""

HEADLINE: tuple[str, ...] = tuple(
    name for name, row in _presets().items() if row.is_headline and family_of(row.model).task == "generation"
)
"""The presets that Home shows and `gencore compare` trains: those of the headline generative models."""


QUICK: dict[str, str] = {
    headline: name
    for headline in HEADLINE
    for name, row in _presets().items()
    if row.is_quick and PRESETS[name].label == PRESETS[headline].label
}
"""The quick preset of each headline preset."""


def preset_title(preset: str) -> str:
    """A name for people that no other preset has, such as `VAE · plain MLP`."""
    note = preset_family(preset).presets[preset].note
    return " · ".join(filter(None, (PRESETS[preset].label, note)))


_FEWEST_EXTRACTOR_STEPS = 920
FEWEST_IMAGES = 60
"""Images of either split that measuring needs."""
EXTRACTORS: dict[str, ClassifierConfig] = {
    "residual": ClassifierConfig(),
    "plain": ClassifierConfig(network="plain", width=24, augment="shift"),
    "mixer": ClassifierConfig(network="mixer", width=96, augment="warp"),
}
"""The feature extractors of every data set: classifiers of different networks and augmentation.

All metrics are of the first; distances are of each, as a ranking may change with the features."""


def features_preset(spec: DatasetSpec, extractor: str, seed: int = 42) -> RunConfig:
    """The configuration of a feature extractor of a data set: more epochs where the data set is small.

    Each extractor trains from a seed of its own, counted from `seed`. Raises ValueError for a data set with
    too few images to measure anything."""
    if min(spec.train_count, spec.test_count) < FEWEST_IMAGES:
        raise ValueError(
            f"{spec.title} has {spec.train_count} training and {spec.test_count} test images; measuring "
            f"needs {FEWEST_IMAGES} of each, so add pictures, or add it again with another --holdout"
        )
    batch_size = 128 if spec.train_count >= 10_000 else min(64, spec.train_count // 2)
    epochs = max(8, math.ceil(_FEWEST_EXTRACTOR_STEPS / (spec.train_count // batch_size)))
    return RunConfig(
        data=DataConfig(batch_size=batch_size),
        model=EXTRACTORS[extractor],
        training=TrainingConfig(
            epochs=epochs,
            seed=seed + list(EXTRACTORS).index(extractor),
            schedule="cosine",
            ema_decay=0.99,
            checkpoint_every=epochs,
            sheets=0,
            fd_every=0,
        ),
    ).on(spec)
