"""From a folder of pictures to trained and measured models, as a newcomer does it: seconds of both commands.

    python benchmarks/own_pictures.py [--each 50]

Writes the first --each MNIST images of each digit as PNGs into ten folders of a temporary home, and times
`gencore data add` and `gencore compare --quick` on them, each as a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from gencore import devices
from gencore.config.datasets import DATASETS
from gencore.data.sources import load


def write_pictures(folder: Path, each: int) -> None:
    """PNGs in a folder for each class."""
    train = load(DATASETS["mnist"], "train")
    for c, name in enumerate(train.spec.class_names):
        inside = folder / f"digit {name}"
        inside.mkdir(parents=True)
        for number, index in enumerate((train.labels == c).nonzero()[:each, 0].tolist()):
            Image.fromarray(train.images[index, 0].numpy()).save(inside / f"{number:03d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=50)
    asked = parser.parse_args()
    here = f"{devices.describe(devices.pick())}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{here}, {10 * asked.each} pictures")
    with tempfile.TemporaryDirectory() as home:
        write_pictures(Path(home, "pictures"), asked.each)
        environment = os.environ | {"GENCORE_HOME": home, "GENCORE_DATA": str(Path(home, "data"))}
        for words in (
            ["data", "add", str(Path(home, "pictures")), "--name", "mine"],
            ["compare", "--dataset", "mine", "--quick"],
        ):
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "gencore", *words], env=environment, capture_output=True, text=True
            )
            seconds = time.perf_counter() - start
            if done.returncode:
                raise SystemExit(done.stderr)
            print(f"gencore {' '.join(words[:2])}: {seconds:.1f} s\n{done.stdout}", flush=True)


if __name__ == "__main__":
    main()
