"""Decoders of runs for the browser: exported once for each state of the weights, and kept beside them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

from gencore.store.files import read_file
from gencore.store.runs import Run

FOLDER = "in-page"
"""Under a run's checkpoints."""
TIMEOUT_SECONDS = 300
_KEPT = 2
"""Graphs of a run that is training: this one and the one before."""
_locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def decoder(run: Run) -> Path:
    """The ONNX file of the run's decoder with its newest weights, exported by another process where missing.

    Raises FileNotFoundError before the run has weights, ValueError where they cannot be exported."""
    weights = run.weights_path
    if weights is None:
        raise FileNotFoundError(f"{run.name} has no weights yet")
    folder = run.checkpoints / FOLDER
    path = folder / f"{hashlib.sha256(read_file(weights)).hexdigest()[:16]}.onnx"
    with _locks[path]:  # a second visitor waits for the file that the first one makes
        if not path.exists():
            folder.mkdir(exist_ok=True)
            export_apart(run, path, "--decoder")
            for old in sorted(folder.glob("*.onnx"), key=lambda one: one.stat().st_mtime)[:-_KEPT]:
                old.unlink(missing_ok=True)
    return path


def export_apart(run: Run, out: Path, *flags: str) -> None:
    """`gencore export` of `run` in a process of its own: it loads torch, and works for seconds.

    Raises ValueError with its error message."""
    words = ["export", run.name, *flags, "--out", str(out), "--output-dir", str(run.home)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gencore", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"the export took more than {TIMEOUT_SECONDS} s; the machine is busy, try again"
        ) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ValueError(lines[-1] if lines else f"the export ended with code {done.returncode}")
