"""Why a training cannot go on, in words that say what to do."""

from __future__ import annotations

import torch

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "could not create a",
)  # the last is oneDNN's


def fault(error: OSError | MemoryError | RuntimeError) -> str:
    """What the machine lacked, and what to do. Raises `error` again where it is none of that."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or 'a file of the run'}"
    if is_out_of_memory(error):
        text = str(error).partition("\n")[0]
        return f"out of memory ({text}); lower --batch-size or --width"
    raise error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine's or the GPU's memory was too small. On a CPU torch has no type for it, only
    words.
    """
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in _OUT_OF_MEMORY
    )


def divergence(good_steps: int) -> str:
    """Why a training ended as diverged, after `good_steps` with finite losses and gradients."""
    return (
        f"a loss, gradient or weight is not finite after step {good_steps}; "
        "lower the learning rate or set --clip-norm"
    )
