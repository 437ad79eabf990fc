"""A model's way from a latent, or from a source image, to an image as one small ONNX graph for a browser.

One image at a time, averaged weights, stored in half precision and computed with in single precision. A
model of one pass is its decoder or generator. Of a model that samples in steps the graph is one step of its
sampler, with the guidance in it: whoever runs it calls it for each row of `steps`, a table in the file's
metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor
from torch.onnx import ONNXProgram

from gencore.config.families import family_of
from gencore.models.base import HasLatent, StepsByTable, Trainable, TranslatesByTable, TranslatesInOnePass
from gencore.models.load import load_translator
from gencore.reports.onnx import exported, loaded, origin
from gencore.store.runs import Run

NOISE_SEED = 0
"""Of the dropout masks in the graph of a model that translates in one pass."""
_SMALL = 256  # numbers; fewer stay in single precision


def decoder(run: Run, changes: dict[str, object] | None = None) -> bytes:
    """The ONNX file of a run's decoder; `changes` as in `load_model`.

    z (1, *latent shape) and, of a model that takes one, condition (1, condition_dim) → images (1, C, H, W).
    A model that translates takes source (1, Cs, H, W) in [-1, 1] in place of both.
    Of a model that samples in steps: z, previous (1, C, H, W), condition or source, and row of the table →
    next_z and x_0, which are z and previous of the next row; after the last row, next_z is the image.
    Raises as `onnx`, and ValueError for a sampler without a table."""
    is_translator = family_of(run.config().model).task == "translation"
    program, facts = (_translator if is_translator else _generator)(run, changes or {})
    program.model.metadata_props.update(facts | {"images": "(1, C, H, W) in [-1, 1]"})
    graph = program.model_proto
    _halve(graph)
    return graph.SerializeToString()


def _generator(run: Run, changes: dict[str, object]) -> tuple[ONNXProgram, dict[str, str]]:
    """The graph of a model that generates images, and its metadata."""
    model, facts = loaded(run, changes)
    assert isinstance(model, HasLatent), "every family has a latent"
    z = model.draw_latent(1, torch.Generator().manual_seed(0))
    condition = {"condition": torch.eye(model.condition_dim)[:1]} if model.condition_dim else {}
    if isinstance(model, StepsByTable):
        return _by_table(model, z, model.step_table(), condition, facts)
    return exported(model, _decoded(model), {"z": z} | condition, ["images"]), facts


def _translator(run: Run, changes: dict[str, object]) -> tuple[ONNXProgram, dict[str, str]]:
    """The graph of a model that translates, and its metadata."""
    model, checkpoint = load_translator(run, torch.device("cpu"), changes=changes)
    assert isinstance(model, Trainable), "every model is one"
    spec, rng = model.spec, torch.Generator().manual_seed(NOISE_SEED)
    source = {"source": torch.zeros(1, spec.source_channels, spec.size, spec.size)}
    facts = origin(run, checkpoint) | {"noise": f"that of seed {NOISE_SEED}"}
    if isinstance(model, TranslatesByTable):
        return _by_table(model, model.draw_noise(1, rng), model.step_table(), source, facts)
    assert isinstance(model, TranslatesInOnePass), "the other families translate in one pass"
    return exported(model, model.with_noise(rng), source, ["images"]), facts


def _by_table(
    model: StepsByTable | TranslatesByTable,
    z: Tensor,
    table: list[tuple[float, ...]],
    given: dict[str, Tensor],
    facts: dict[str, str],
) -> tuple[ONNXProgram, dict[str, str]]:
    assert isinstance(model, Trainable), "every model is one"
    inputs = {"z": z, "previous": torch.zeros_like(z), "row": torch.tensor(table[0])} | given
    return exported(model, model.step, inputs, ["next_z", "x_0"]), facts | {"steps": json.dumps(table)}


def _decoded(model: HasLatent) -> Callable[..., Tensor]:
    if model.condition_dim:
        return model.decode
    return lambda z: model.decode(z, z.new_empty(1, 0))


def _halve(model: ModelProto) -> None:
    """Store large weights in half precision; a cast makes them single again when they are loaded."""
    for weights in model.graph.initializer:
        if weights.data_type == TensorProto.FLOAT and math.prod(weights.dims) >= _SMALL:
            name, half = weights.name, numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            model.graph.node.insert(
                0, helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
            )
