"""A model's way from a latent to an image as one small ONNX graph, which a browser can run.

One image at a time, averaged weights, stored in half precision and computed with in single precision. A model
of one pass is its decoder. Of a model that samples in steps the graph is one step of its sampler, with the
guidance in it: whoever runs it calls it for each row of `steps`, a table in the file's metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor

from gencore.models.base import HasLatent, StepsByTable
from gencore.reports.onnx import exported, loaded
from gencore.store.runs import Run

_SMALL = 256  # numbers; fewer stay in single precision


def decoder(run: Run, changes: dict[str, object] | None = None) -> bytes:
    """The ONNX file of a run's decoder; `changes` as in `load_model`.

    z (1, *latent shape) and, of a model that takes one, condition (1, condition_dim) → images (1, C, H, W).
    Of a model that samples in steps: z, previous (1, C, H, W), condition, and row (7,) of the table → next_z
    and x_0, which are z and previous of the next row; after the last row, next_z is the image.
    Raises as `onnx`, and ValueError for a flow."""
    model, facts = loaded(run, changes or {})
    assert isinstance(model, HasLatent), "every family has a latent"
    z = model.draw_latent(1, torch.Generator().manual_seed(0))
    condition = {"condition": torch.eye(model.condition_dim)[:1]} if model.condition_dim else {}
    if isinstance(model, StepsByTable):
        table = model.step_table()
        inputs = {"z": z, "previous": torch.zeros_like(z), "row": torch.tensor(table[0])} | condition
        program = exported(model, model.step, inputs, ["next_z", "x_0"])
        facts["steps"] = json.dumps(table)
    else:
        program = exported(model, _decoded(model), {"z": z} | condition, ["images"])
    program.model.metadata_props.update(facts | {"images": "(1, C, H, W) in [-1, 1]"})
    graph = program.model_proto
    _halve(graph)
    return graph.SerializeToString()


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
