"""The sections of a run's config that all models share: data and training.

Bounds, defaults and descriptions of the fields are those of the command line, the dashboard's form,
validation and `config.json`. Import them from `gencore.config.options`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gencore.config.datasets import DATASETS, DatasetName
from gencore.config.filters import FILTERS


class Config(BaseModel):
    """Frozen, and unknown keys are errors that name the known ones."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, given: object) -> object:
        if isinstance(given, dict):
            unknown = sorted(set(given) - set(cls.model_fields))
            if unknown:
                raise ValueError(
                    f"unknown key {', '.join(unknown)}; known keys: {', '.join(cls.model_fields)}"
                )
        return given


class DataConfig(Config):
    """Which images are trained on, and how many at a time."""

    dataset: DatasetName = Field(
        "mnist",
        description=f"Data set to train on: {', '.join(DATASETS)}, or one of your own (`gencore data add`); "
        f"`digits` needs no network. Pairs of it: {', '.join(FILTERS)} before its name, as in edges:mnist.",
    )
    batch_size: int = Field(
        128,
        ge=2,
        le=8192,
        description="Images per optimisation step; of a small data set of your own at most half of them.",
    )


class TrainingConfig(Config):
    """How long and how a model is trained, and what is recorded on the way."""

    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training split.")
    steps: int | None = Field(
        None, ge=1, le=100_000_000, description="Optimisation steps of the training, in place of epochs."
    )
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of weights, batches and noise.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the networks; auto takes bfloat16 where the hardware has it."
    )
    schedule: Literal["constant", "cosine"] = Field("constant", description="Learning-rate schedule.")
    optimizer: Literal["adam", "adamw", "muon", "rmsprop", "sgd"] = Field(
        "adam",
        description="Optimiser; muon takes the convolutions, and Adam the rest. The model's learning rates "
        "suit adam; sgd, with momentum 0.9, needs higher ones.",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="Weight decay of AdamW; others use none.")
    muon_learning_rate: float = Field(0.02, gt=0, description="Muon's learning rate of the convolutions.")
    clip_norm: float | None = Field(None, gt=0, description="Clip each player's gradient to this norm.")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="Decay of the averaged weights used for sampling; 0 is none."
    )
    checkpoint_every: int = Field(10, ge=1, description="Epochs between checkpoints.")
    progress_every: int = Field(20, ge=1, description="Steps between progress events in the event log.")
    sheets: int = Field(
        10, ge=0, le=1000, description="Sample sheets of the same noise over a run, evenly spread."
    )
    fd_every: int = Field(1, ge=0, description="Epochs between quick Fréchet distances; 0 is never.")
    fd_samples: int = Field(1000, ge=256, le=50_000, description="Images of a quick Fréchet distance.")
    patience: int | None = Field(
        None, ge=1, description="Stop early after this many quick Fréchet distances without a better one."
    )

    @model_validator(mode="after")
    def _early_stopping_needs_distances(self) -> TrainingConfig:
        if self.patience is not None and self.fd_every == 0:
            raise ValueError("patience counts quick Fréchet distances; set fd_every to 1 or more")
        return self
