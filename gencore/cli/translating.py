"""The command that turns source images into images with a trained run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.cli.common import DONE, CommonOptions
from gencore.config.families import refuse_other_tasks
from gencore.store import runs
from gencore.store.files import write_atomically

MOST_IMAGES = 1000
"""Pictures, or test pairs, of one sheet."""
COLUMNS = 10


@dataclass(frozen=True, kw_only=True)
class Translate(CommonOptions):
    """Turn pictures into images with a run of a translation model, and write them as one PNG.

    A picture is taken as a source as it is: the filter that made the data set's sources is not applied to it.
    It is cut to the square in the middle, scaled to the size that the run was trained at, and made grey or
    coloured as its sources were.
    """

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    images: Annotated[Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")] = ()
    """Pictures, PNG or JPEG and others; none with --test."""
    test: int = 0
    """Translate so many pairs of the test split in place of pictures, and write triptychs: source, output and
    real image."""
    out: Path = Path("translations.png")
    """PNG to write: one image a picture, in their order, or the triptychs."""
    seed: int = 0
    """Seed of the dropout masks, or of the noise."""
    steps: int | None = None
    """Steps of a diffusion model's sampler [as trained]."""
    averaged: bool = True
    """Use the averaged weights (EMA); otherwise those of the last step."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        self._check()
        run = runs.run(self.name, self.folder)
        config = run.config()
        refuse_other_tasks(run.name, config.model, "translation")
        device = self.pick_device()
        from gencore import devices
        from gencore.data.source_pictures import read_sources
        from gencore.data.sources import load
        from gencore.models.load import load_translator
        from gencore.sampling.sheets import to_png
        from gencore.sampling.translate import draw_triptychs, translate

        sources = read_sources(self.images, config.dataset_spec) if self.images else None
        changes = {} if self.steps is None else {"sampling_steps": self.steps}
        model, _ = load_translator(run, device, self.averaged, changes)
        dtype = devices.precision(config.training.precision, device)
        if sources is not None:
            made = translate(model, sources, self.seed, dtype)
            content, what = to_png(made, min(COLUMNS, len(made))), f"{len(made)} images"
        else:
            pairs = load(config.dataset_spec, "test", self.data_dir)
            content = draw_triptychs(model, pairs, self.seed, dtype, self.test)
            what = f"triptychs of {min(self.test, len(pairs.images))} test pairs"
        write_atomically(self.out, content)
        print(f"{what} by {run.name} ({model.translation}) in {self.out}")
        return DONE

    def _check(self) -> None:
        """Raises ValueError for what contradicts itself, before anything is read."""
        count = len(self.images)
        if bool(count) == bool(self.test):
            raise ValueError(
                f"there are {count} pictures and --test is {self.test}; name pictures after the run, or ask "
                "for test pairs with --test"
            )
        if not 0 <= self.test <= MOST_IMAGES or count > MOST_IMAGES:
            raise ValueError(f"a sheet holds at most {MOST_IMAGES} images; ask for 1 to {MOST_IMAGES}")
        if self.out.suffix != ".png":
            raise ValueError(f"--out is {self.out}; end it in .png")
