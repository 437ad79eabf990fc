"""A run's model and weights, from its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from gencore.config.families import refuse_other_tasks
from gencore.config.family import Task
from gencore.config.options import RunConfig
from gencore.models import build
from gencore.models.base import GenerativeModel, Imitates, Trainable, Translates
from gencore.store import runs
from gencore.store.checkpoints import (
    Checkpoint,
    CheckpointError,
    MisfitError,
    Shapes,
    load_checkpoint,
    shapes_of,
)
from gencore.store.runs import Run


def newest_states(run: Run) -> list[Path]:
    """The run's resumable states, newest first."""
    return sorted(run.checkpoints.glob("step-*.safetensors"), reverse=True)


def load_weights(run: Run, expected: Shapes | None = None, path: Path | None = None) -> Checkpoint:
    """The weights in `path`; without one those that stand for the run: final ones, else of its newest state.

    Raises CheckpointError; also where names or shapes are not those `expected`.
    """
    path = path or run.weights_path
    if path is None:
        raise CheckpointError(f"run {run.name} has no checkpoint in {run.checkpoints}; train it first")
    return load_checkpoint(path, expected)


def load_model(
    run: Run,
    device: torch.device,
    averaged: bool = True,
    changes: Mapping[str, object] | None = None,
    path: Path | None = None,
) -> tuple[GenerativeModel, Checkpoint]:
    """The run's generative model, ready to sample, and the checkpoint it came from: `path`, or as in
    `load_weights`.

    `changes` replace fields of its model config that do not touch weights (sampler, sampling_steps, guidance,
    prior). Raises ValueError for a change the model does not have or a run of another task,
    FileNotFoundError, CheckpointError, UnreadableError."""
    model, checkpoint = _load("generation", run, device, averaged, changes, path)
    assert isinstance(model, GenerativeModel), "its family says so"
    return model, checkpoint


def load_translator(
    run: Run, device: torch.device, averaged: bool = True, changes: Mapping[str, object] | None = None
) -> tuple[Translates, Checkpoint]:
    """The run's translation model, ready to translate, and its checkpoint; arguments and errors as in
    `load_model`.
    """
    model, checkpoint = _load("translation", run, device, averaged, changes, None)
    assert isinstance(model, Translates), "its family says so"
    return model, checkpoint


def _load(
    task: Task,
    run: Run,
    device: torch.device,
    averaged: bool,
    changes: Mapping[str, object] | None,
    path: Path | None,
) -> tuple[Trainable, Checkpoint]:
    config = run.config()
    refuse_other_tasks(run.name, config.model, task)
    unknown = sorted(set(changes or ()) - set(type(config.model).model_fields))
    if unknown:
        raise ValueError(f"{config.label} has no option {', '.join(unknown)}")
    changed = RunConfig.model_validate(
        config.model_dump() | {"model": config.model.model_dump() | dict(changes or {})}
    )
    model = build(changed.model, config.dataset_spec)
    expected = shapes_of({"model": model.state_dict(), "average": model.averaged.state_dict()})
    try:
        checkpoint = load_weights(run, expected, path)
        if not averaged and not checkpoint.section("model"):
            raise ValueError(f"run {run.name} was delivered with its averaged weights only; draw from those")
        if averaged:
            model.averaged.load_state_dict(checkpoint.section("average"))
        else:
            model.load_state_dict(checkpoint.section("model"))
    except (MisfitError, RuntimeError) as error:
        raise CheckpointError(f"the checkpoint of run {run.name} does not fit its config: {error}") from error
    return model.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last), checkpoint


def load_teacher(config: RunConfig, device: torch.device, folder: Path) -> GenerativeModel | None:
    """The model that a distilled one imitates, from the run under `folder`; None for other models.

    Raises ValueError where the run cannot be loaded, is another network, or has other weights than `config`
    names."""
    imitated = config.model.imitated
    if imitated is None:
        return None
    try:
        teacher, checkpoint = load_model(runs.run(imitated.run, folder), device)
    except (OSError, ValueError) as error:
        raise ValueError(f"the teacher {imitated.run} cannot be loaded: {error}") from error
    if imitated.digest not in ("", checkpoint.digest):
        raise ValueError(
            f"the weights of the teacher {imitated.run} are not those that this model is to imitate; "
            f"begin anew with `gencore distill {imitated.run} --overwrite`"
        )
    student = build(config.model, teacher.spec)
    assert isinstance(student, Imitates), "its config says that it imitates"
    student.imitate(teacher)
    return teacher
