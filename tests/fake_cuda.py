"""A CUDA device that is not there: tensors with shapes, strides and a device, but no values.

Inside `fake_cuda()` an operation on two devices raises, and so does reading a value from the device. Inside
`no_host_wait()` all else that makes the host wait for a GPU raises too. torch needs these patches where no
GPU is at hand; each says why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import torch
from torch import Generator, Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from gencore.models import ddpm, palette
from gencore.models.clusters import Clusters
from gencore.models.diffusion.schedules import Schedule, linear_schedule

CUDA = torch.device("cuda:0")


class HostWaitError(AssertionError):
    """The host waits for the device here."""


class NoiseDeviceError(AssertionError):
    """A generator of one device gives noise to another."""


class _Noise:
    """Stands for a generator on the GPU: making a real one asks the driver, which is not there."""

    device = CUDA

    def manual_seed(self, seed: int) -> _Noise:
        return self


def _generator(device: torch.device | str = "cpu") -> Generator | _Noise:
    return _Noise() if torch.device(device).type == "cuda" else Generator(device)


def _random(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A random function of torch that takes `_Noise`, and refuses noise of another device than its
    result's.
    """

    def sample(*args: object, generator: Generator | _Noise | None = None, **options: object) -> Tensor:
        values = function(*args, **options)
        if generator is not None and generator.device != values.device:
            raise NoiseDeviceError(f"{function.__name__} on {values.device}, its noise on {generator.device}")
        return values

    return sample


def _apply(module: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`Module._apply` with new parameters: torch's own swaps tensors in place, which fake ones do not
    support.
    """
    for child in module.children():
        child._apply(function)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(function(parameter.detach()), parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module


def _deepcopy(tensor: Tensor, memo: dict[int, object]) -> Tensor:
    """A copy with the strides of `tensor`: torch's own also copies the mode that a fake tensor belongs to."""
    with contextlib.nullcontext() if isinstance(tensor, FakeTensor) else unset_fake_temporarily():
        copy = tensor.detach().clone(memory_format=torch.preserve_format)
    if isinstance(tensor, nn.Parameter):
        copy = nn.Parameter(copy, tensor.requires_grad)
    memo[id(tensor)] = copy
    return copy


def _backward(loss: Tensor) -> None:
    """Give every leaf of the graph a gradient of its shape: torch's engine starts a thread for the GPU."""
    assert loss.ndim == 0 and loss.grad_fn is not None
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            node.variable.grad = torch.empty_like(node.variable)
        waiting += [following for following, _ in node.next_functions]


def _gradient(output: Tensor, source: Tensor, create_graph: bool) -> tuple[Tensor]:
    """A gradient of the shape of `source` that depends on it and on `output`; for the reason above."""
    assert create_graph and output.ndim == 0
    return (source * output,)


def _fused_adam(*lists: list[Tensor], lr: Tensor, found_inf: Tensor, **settings: object) -> None:
    """What the CUDA kernel asks of its arguments: it has no implementation for tensors without values."""
    parameters, gradients, means, squares, _, steps = lists
    for tensors in zip(parameters, gradients, means, squares, strict=True):
        assert len({(x.device, x.dtype, x.stride()) for x in tensors}) == 1, (
            "an optimiser state of other strides"
        )
    assert {x.device for x in (*parameters, *steps, lr, found_inf)} == {CUDA}


class _Uncaptured:
    """In place of CUDA's graphs: what comes before the capture, without a stream of its own."""

    def warm_up(self, work: Callable[[], object]) -> object:
        return work()


def _pin_memory(tensor: Tensor) -> Tensor:
    """A copy that is known to be pinned: FakeTensorMode has no pinned memory."""
    pinned = tensor.clone()
    pinned.was_pinned = True  # type: ignore[attr-defined]
    return pinned


def _bincount(values: Tensor, minlength: int) -> Tensor:
    """Of pixels, before the first step: without values, torch does not know how many bins there are."""
    return torch.empty(minlength, dtype=torch.int64, device=values.device)


def _real_schedule(timesteps: int, beta_start: float, beta_end: float) -> Schedule:
    """The noise schedule with its values: samplers read their coefficients from it on the host."""
    with unset_fake_temporarily():
        return linear_schedule(timesteps, beta_start, beta_end)


@contextlib.contextmanager
def fake_cuda() -> Iterator[torch.device]:
    """Tensors made here have no values; the device that this gives is the GPU."""
    with pytest.MonkeyPatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True):
        for module in ("gencore.training.step", "gencore.sampling.generate", "gencore.sampling.translate"):
            patch.setattr(f"{module}.Generator", _generator)
        for name in ("rand", "randint", "randn", "randperm", "multinomial"):
            patch.setattr(torch, name, _random(getattr(torch, name)))
        patch.setattr(torch, "bincount", _bincount)
        for family in (ddpm, palette):
            patch.setattr(family, "linear_schedule", _real_schedule)
        patch.setattr(Clusters, "fit", lambda *_: None)  # by scikit-learn, on the host, before the first step
        patch.setattr(nn.Module, "_apply", _apply)
        for kind in (Tensor, nn.Parameter):
            patch.setattr(kind, "__deepcopy__", _deepcopy)
        patch.setattr(Tensor, "backward", _backward)
        patch.setattr(torch.autograd, "grad", _gradient)
        patch.setattr(Tensor, "pin_memory", _pin_memory)
        patch.setattr(torch, "_fused_adam_", _fused_adam)
        for module in ("gencore.training.step", "gencore.sampling.generate"):
            patch.setattr(f"{module}.CudaGraphs", lambda rng: _Uncaptured())
        yield CUDA


class _NoHostWait(TorchDispatchMode):
    """Raises where data goes between host and device other than from pinned memory, without blocking."""

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        source, target = None, None
        if func is torch.ops.aten._to_copy.default:
            source, target = args[0], out
        elif func is torch.ops.aten.copy_.default:
            source, target = args[1], args[0]
        if isinstance(source, Tensor) and isinstance(target, Tensor) and source.device != target.device:
            queued = getattr(source, "was_pinned", False) and kwargs.get("non_blocking", False)
            if not queued:
                raise HostWaitError(f"a copy from {source.device} to {target.device} makes the host wait")
        return out


def no_host_wait() -> TorchDispatchMode:
    """A context in which whatever makes the host wait raises."""
    return _NoHostWait()
