"""A config as the command line that trains it.

The dashboard's form shows these words and its jobs run them: what is on screen is what is done. Results carry
them as the origin of a training.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from pydantic.fields import FieldInfo

from gencore.config.options import PRESETS, ModelConfig, RunConfig


def always_shown(config: RunConfig) -> tuple[str, ...]:
    """The options that a command line and a form name even where they have their defaults."""
    return "dataset", "steps" if config.training.steps else "epochs", "seed"


class Option(NamedTuple):
    """One field of a config, with the part (`data`, `model`, `training`) that it stands in."""

    part: str
    name: str
    value: object
    field: FieldInfo

    def words(self, prefix: str = "") -> list[str]:
        """As typed; a command that trains several models has a `prefix` for each, such as `vae.`."""
        flag = self.name.replace("_", "-")
        if isinstance(self.value, bool):
            return [f"--{prefix}{flag}" if self.value else f"--{prefix}no-{flag}"]
        return [f"--{prefix}{flag}", str(self.value)]


def options(config: RunConfig) -> list[Option]:
    """Every choice in `config`, flat and in its order; the family is no choice but the preset's."""
    return [
        Option(part, name, getattr(section, name), field)
        for part, section in config.sections.items()
        for name, field in type(section).model_fields.items()
        if name != "family"
    ]


def train(preset: str, name: str, config: RunConfig) -> list[str]:
    """The words after `gencore` that train `config`: the preset, and what differs from it."""
    given = {option.name: option.value for option in options(PRESETS[preset])}
    words = ["train", preset, "--name", name]
    for option in options(config):
        if option.name in always_shown(config) or option.value != given[option.name]:
            words += option.words()
    return words


def changes(preset: str, model: ModelConfig) -> list[str]:
    """The words that make a preset's model into `model`, in a command that trains several."""
    config = PRESETS[preset].model_copy(update={"model": model})
    asked, given = options(config), options(PRESETS[preset])
    return [
        word
        for ours, theirs in zip(asked, given, strict=True)
        if ours != theirs
        for word in ours.words(f"{preset}.")
    ]


def nearest_preset(config: RunConfig) -> str:
    """The preset of the family that differs in the fewest fields. Raises ValueError where there is none."""
    same_family = [name for name, preset in PRESETS.items() if preset.model.family == config.model.family]
    if not same_family:
        raise ValueError(f"no preset makes {config.label}; presets: {', '.join(PRESETS)}")
    return min(same_family, key=lambda name: len(PRESETS[name].difference(config)))


def resume(name: str, config: RunConfig) -> list[str]:
    """The words that go on with a run where its newest checkpoint left it."""
    return [*train(nearest_preset(config), name, config), "--resume"]


def shown(words: Sequence[str]) -> str:
    """As one would type it."""
    return shlex.join(["gencore", *words])
