"""What a run is asked to do: data, model, training; and the presets.

These models are the one source of options: command-line flags and their help, the dashboard's forms,
validation and `config.json` all come from their fields. A preset is a complete `RunConfig`.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

from gencore.config.families import FAMILIES, Preset, Variant, family_of, preset_family
from gencore.config.sections import (
    ClassifierConfig,
    Config,
    DataConfig,
    DatasetName,
    DDPMConfig,
    GANConfig,
    HasSamplers,
    ModelConfig,
    Prior,
    Sampler,
    TrainingConfig,
    VAEConfig,
)

__all__ = [
    "HEADLINE",
    "PRESETS",
    "QUICK",
    "ClassifierConfig",
    "Config",
    "DDPMConfig",
    "DataConfig",
    "DatasetName",
    "GANConfig",
    "ModelConfig",
    "Prior",
    "RunConfig",
    "Sampler",
    "HasSamplers",
    "TrainingConfig",
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

    @model_validator(mode="after")
    def _an_image_for_each_step(self) -> RunConfig:
        imitated = self.model.imitated
        if imitated and imitated.steps > self.data.batch_size:
            raise ValueError(
                f"batch_size is {self.data.batch_size}, but each batch teaches a student all of its "
                f"{imitated.steps} steps; raise batch_size, or take fewer steps"
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
        """One line for each field that differs, as `training.seed: 42 here, 7 there`."""
        ours, theirs = _flatten(self.model_dump(mode="json")), _flatten(other.model_dump(mode="json"))
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


def _presets() -> dict[str, Preset]:
    """Of all families by name, the headline presets first."""
    rows = {name: row for family in FAMILIES.values() for name, row in family.presets.items()}
    return dict(sorted(rows.items(), key=lambda item: not item[1].is_headline))


PRESETS: dict[str, RunConfig] = {
    name: RunConfig(data=DataConfig(batch_size=row.batch_size), model=row.model, training=row.training)
    for name, row in _presets().items()
}
"""Complete configurations by name, the headline models first."""

HEADLINE: tuple[str, ...] = tuple(name for name, row in _presets().items() if row.is_headline)
"""The presets that Home shows and `gencore compare` trains."""


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


EXTRACTORS: dict[str, ClassifierConfig] = {
    "residual": ClassifierConfig(),
    "plain": ClassifierConfig(network="plain", width=24, augment="shift"),
    "mixer": ClassifierConfig(network="mixer", width=96, augment="warp"),
}
"""The feature extractors of every data set: classifiers of different networks and augmentation.

All metrics are of the first; distances are of each, as a ranking may change with the features."""


def features_preset(dataset: DatasetName, extractor: str, seed: int = 42) -> RunConfig:
    """The configuration of a feature extractor of a data set: more epochs where the data set is small.

    Each extractor trains from a seed of its own, counted from `seed`."""
    epochs = 40 if dataset == "digits" else 8
    return RunConfig(
        data=DataConfig(dataset=dataset, batch_size=64 if dataset == "digits" else 128),
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
    )
