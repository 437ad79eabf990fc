"""A run's network as an ONNX graph that other programs run: averaged weights, float32, a batch of any size.

Of a VAE or GAN it is the whole way from z to images; of a model that samples in steps it is one prediction,
which a sampler calls at each step. The file's metadata say what its inputs mean."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gencore.models.base import FitsPrior, GenerativeModel, HasLatent, SamplesInSteps
from gencore.models.load import load_model
from gencore.networks import spectral
from gencore.store.runs import Run

TRACED_BATCH = 2  # torch takes a size of 1 for a constant


class _Graph(nn.Module):
    """What is exported: `run` on the inputs, in their order."""

    def __init__(self, model: GenerativeModel, run: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.run = model, run

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)


def onnx(run: Run) -> bytes:
    """The ONNX file of the network that generates images, on the CPU; inputs and output as `_graph` names
    them.

    Raises ValueError for a run that generates no images or where onnxscript is missing, FileNotFoundError,
    CheckpointError, UnreadableError."""
    config = run.config()
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("an .onnx file needs onnxscript, which is not installed; pip install onnxscript")
    model, checkpoint = load_model(run, torch.device("cpu"))
    spectral.bake(model.averaged)  # its weights as they are used, without how they are computed
    network, inputs, output, meaning = _graph(model)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # torch's remarks on itself
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Graph(model, network).eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=(tuple({0: "batch"} for _ in inputs),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "torch returns a program where dynamo is true"
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    origin = {
        "family": config.label,
        "dataset": config.data.dataset,
        "run": run.name,
        "sha256": checkpoint.digest,
    }
    program.model.metadata_props.update(origin | {"images": "(batch, C, H, W) in [-1, 1]"} | meaning)
    return program.model_proto.SerializeToString()


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
