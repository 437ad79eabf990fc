"""What a row of the table of model families holds. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gencore.config.model_sections import Kind, ModelConfig
from gencore.config.sections import TrainingConfig

Task = Literal["generation", "translation", "classification", "none"]
"""What the models of a family do: make images; make an image of a source image; tell classes; nothing, as
there is no model.
"""


@dataclass(frozen=True)
class Variant:
    """A model by the name people use: a family without or with class labels."""

    label: str
    """As in GAN and cGAN."""
    colour: str
    """As #RRGGBB, of Okabe & Ito's palette (2008), which colour-blind readers can tell apart."""
    diagram: str
    """How data flows through it, in one line."""
    explanation: str
    """Three or four sentences for a newcomer."""
    kind: Kind = "plain"
    """Which models of the family it names."""


@dataclass(frozen=True)
class Preset:
    """A complete recipe, apart from the data set."""

    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    is_headline: bool = False
    """Whether it is the preset that stands for its variant on Home and in `gencore compare`."""
    is_quick: bool = False
    """Whether it is its variant's recipe for a first look: a training of seconds, by steps not epochs."""
    batch_size: int = 128
    """Images per optimisation step."""
    note: str = ""
    """What tells it from the headline preset of its variant, in a word or two."""


@dataclass(frozen=True)
class SamplingOption:
    """A field of a model's config that may change after training, because no weight depends on it."""

    field: str
    flag: str
    """Its name on the command line, with hyphens, and in a page's address."""
    limit: str = ""
    """The field that bounds it from above, where one does."""
    needs_condition: bool = False
    """Whether it acts on models with labels or clusters only."""
    ignored_with: tuple[str, object] | None = None
    """The (field, value) under which it has no effect, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A row of the table."""

    config: type[ModelConfig]
    implementation: str
    """The class that trains and samples, as `module:Class`; `gencore.models.build` imports it."""
    variants: tuple[Variant, ...]
    """One for each kind of model that the family has, the plain one first."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    sampling_options: tuple[SamplingOption, ...] = ()
    task: Task = "generation"

    @property
    def is_trained(self) -> bool:
        """Whether its runs are trainings; else they hold images that were made elsewhere."""
        return self.task != "none"

    @property
    def name(self) -> str:
        """The value of `family` in its config."""
        return str(self.config.model_fields["family"].default)

    def variant(self, model: ModelConfig) -> Variant:
        """The variant that `model`, a config of this family, is."""
        return next(variant for variant in self.variants if variant.kind == model.kind)


QUICK_TRAINING = TrainingConfig(  # sheets, not distances, show how it goes
    steps=300, schedule="cosine", ema_decay=0.98, sheets=12, fd_every=0, progress_every=10
)
"""That of quick presets: the same work on every data set."""
