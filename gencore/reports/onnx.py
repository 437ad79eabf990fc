"""A run's network as an ONNX graph that other programs run: averaged weights, float32, a batch of any size.

Of a VAE or GAN it is the whole way from z to images; of a model that samples in steps it is one prediction,
which a sampler calls at each step. The file's metadata say what its inputs mean."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gencore.models.base import FitsPrior, GenerativeModel, HasLatent, SamplesInSteps, Trainable
from gencore.models.load import load_model
from gencore.networks import spectral
from gencore.store.checkpoints import Checkpoint
from gencore.store.runs import Run

TRACED_BATCH = 2  # torch takes a size of 1 for a constant


class _Graph(nn.Module):
    """What is exported: `function` on the inputs, in their order."""

    def __init__(self, model: Trainable, function: Callable[..., Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.function(*inputs)


def onnx(run: Run) -> bytes:
    """The ONNX file of the network that generates images, on the CPU; inputs and output as `_graph` names
    them.

    Raises ValueError for a run that generates no images, FileNotFoundError, CheckpointError,
    UnreadableError."""
    model, facts = loaded(run, {})
    network, inputs, output, meaning = _graph(model)
    program = exported(model, network, inputs, [output], [{0: "batch"} for _ in inputs])
    program.model.metadata_props.update(facts | {"images": "(batch, C, H, W) in [-1, 1]"} | meaning)
    return program.model_proto.SerializeToString()


def loaded(run: Run, changes: dict[str, object]) -> tuple[GenerativeModel, dict[str, str]]:
    """A run's model on the CPU as it is exported, and where it is from. Raises as `onnx`."""
    model, checkpoint = load_model(run, torch.device("cpu"), changes=changes)
    spectral.bake(model.averaged)  # its weights as they are used, without how they are computed
    return model, origin(run, checkpoint)


def origin(run: Run, checkpoint: Checkpoint) -> dict[str, str]:
    """Where a graph is from, for its metadata."""
    config = run.config()
    facts = {"family": config.label, "dataset": config.data.dataset, "run": run.name}
    return facts | {"sha256": checkpoint.digest}


def exported(
    model: Trainable,
    function: Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: dict[str, Tensor],
    outputs: list[str],
    dynamic: list[dict[int, str]] | None = None,
) -> torch.onnx.ONNXProgram:
    """The graph of a function that uses `model`, from examples of its inputs; `dynamic` names the dimensions
    of each that may have any size.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # torch's remarks on itself
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Graph(model, function).eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=(tuple(dynamic),) if dynamic else None,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "torch returns a program where dynamo is true"
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    return program


def _graph(model: GenerativeModel) -> tuple[Callable[..., Tensor], dict[str, Tensor], str, dict[str, str]]:
    """What generates: a function of tensors, examples of its inputs by name, its output's name, and what they
    mean.

    A model of one pass: z (B, latent_dim), and where it takes one, condition (B, condition_dim) → images
    (B, C, H, W). What samples in steps: x_t (B, C, H, W), t (B,) float32, and where it takes a condition,
    labels (B,) int64 → prediction (B, C, H, W)."""
    n = TRACED_BATCH
    assert isinstance(model, HasLatent), "every family has a latent"
    z = model.draw_latent(n, torch.Generator().manual_seed(0))
    if isinstance(model, SamplesInSteps):
        meaning = {**model.prediction_meaning, "sampling": model.sampling}
        inputs = {"x_t": z, "t": torch.ones(n)}
        if model.condition_dim:
            inputs["labels"] = torch.arange(n)
        return model.network, inputs, "prediction", meaning | _clusters(model)
    meaning = {"z": "N(0, I)", "sampling": model.sampling}
    if isinstance(model, FitsPrior):
        meaning["z"] += "; a fitted mixture, where sampling names one, is not in this file"
    if not model.condition_dim:
        return lambda z: model.decode(z, z.new_empty(z.shape[0], 0)), {"z": z}, "images", meaning
    kind = "class" if model.conditional else "cluster"
    meaning["condition"] = f"one-hot of the {kind}, 0 to {model.condition_dim - 1}"
    condition = torch.eye(model.condition_dim)[:n]
    return model.decode, {"z": z, "condition": condition}, "images", meaning | _clusters(model)


def _clusters(model: GenerativeModel) -> dict[str, str]:
    """The clusters that a model is conditioned on, as JSON: all that finding an image's cluster needs."""
    if model.clusters is None:
        return {}
    fitted = {name: values.tolist() for name, values in model.clusters.state_dict().items()}
    meaning = "cluster of x: the nearest of centroids (k, d) to axes (d, pixels) @ (x - mean (pixels))"
    return {"clusters": meaning} | {f"clusters.{name}": json.dumps(values) for name, values in fitted.items()}
