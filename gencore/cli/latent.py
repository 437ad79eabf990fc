"""Commands about a run's latent space: real images given back, and images between two ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from gencore.cli import tables
from gencore.cli.common import DONE, CommonOptions, say
from gencore.config.options import DatasetSpec, HasSamplers, RunConfig
from gencore.data.own import Split
from gencore.store import runs

if TYPE_CHECKING:  # commands that need no torch start without it
    from gencore.latent.traversal import LatentPoints, LatentSpace
    from gencore.store.checkpoints import Checkpoint
    from gencore.store.runs import Run

COLUMNS = 20
"""Most images in a row of a sheet."""
MOST_STEPS = 500


@dataclass(frozen=True, kw_only=True)
class LatentOptions(CommonOptions):
    """The run whose latent space a command is about."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]

    def load(self, run: Run, changes: dict[str, object]) -> tuple[LatentSpace, Checkpoint]:
        """The latent space of the run's model, and the weights. Raises as `load_model`."""
        device = self.pick_device()
        from gencore import devices
        from gencore.latent.traversal import LatentSpace
        from gencore.models.load import load_model

        model, checkpoint = load_model(run, device, changes=changes)
        return LatentSpace(model, devices.precision(run.config().training.precision, device)), checkpoint


@dataclass(frozen=True, kw_only=True)
class Reconstruct(LatentOptions):
    """Show real images and what a run's model gives back of them, with PSNR and SSIM.

    Of a VAE, which encodes and decodes an image, and of a diffusion model, which finds the noise of an image
    by its sampler's equation run backwards and draws from it.
    """

    count: int = 10
    """How many images: the first of each class in turn, then the second of each, and so on."""
    split: Split = "test"
    """Split that they are of."""
    steps: int | None = None
    """Steps of a diffusion model's sampler; the way back takes 50 or as many as this [as trained]."""
    out: Path = Path("reconstructions.png")
    """Sheet to write: rows of originals, reconstructions and absolute differences."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the figures of every image and class as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        run = runs.run(self.name, self.folder)
        config = run.config()
        self._check(config)
        latent_space, checkpoint = self.load(
            run, {} if self.steps is None else {"sampling_steps": self.steps}
        )
        from gencore import devices
        from gencore.data.sources import load, with_digests
        from gencore.latent.reconstruction import as_report, can_reconstruct, reconstruct
        from gencore.sampling import sheets
        from gencore.store.files import write_atomically

        if not can_reconstruct(latent_space):
            raise ValueError(
                f"{run.name} is a {config.label}, which cannot find the latent of an image; name a run of a "
                "VAE or of a diffusion model"
            )
        data = load(config.dataset_spec, self.split, self.data_dir)
        found = reconstruct(latent_space, data, self.count)
        origin = with_digests(
            devices.origin_here(latent_space.model.device, self._words()), {self.split: data}
        )
        report = as_report(found, run.name, self.split, checkpoint.digest, origin)
        columns = min(self.count, COLUMNS)
        write_atomically(self.out, sheets.to_png(found.rows(columns), columns))
        if self.as_json:
            print(report.model_dump_json(indent=1))
        else:
            tables.show_reconstructions(report)
        say(f"{self.count} {self.split} images, reconstructions and differences of {run.name} in {self.out}")
        return DONE

    def _check(self, config: RunConfig) -> None:
        """Raises ValueError for what the run cannot do, before anything is loaded."""
        spec = config.dataset_spec
        images = spec.test_count if self.split == "test" else spec.train_count
        if not 1 <= self.count <= images:
            raise ValueError(
                f"--count is {self.count}; the {self.split} split of {spec.title} has {images} images, so "
                f"use 1 to {images}"
            )
        _check_png(self.out)
        if self.steps is None:
            return
        if not isinstance(config.model, HasSamplers):
            raise ValueError(
                f"--steps is {self.steps}, but {self.name} is a {config.label}, which has no sampler with "
                "steps; leave it out"
            )
        if self.steps not in (counts := config.model.step_counts):
            raise ValueError(f"--steps is {self.steps}; {self.name} takes {counts[0]} to {counts[-1]}")

    def _words(self) -> list[str]:
        words = ["reconstruct", self.name, "--count", str(self.count), "--split", self.split]
        return words if self.steps is None else [*words, "--steps", str(self.steps)]


@dataclass(frozen=True, kw_only=True)
class Interpolate(LatentOptions):
    """Write a strip of images from one latent to another, or from one class to another.

    A conditional model keeps its latent and goes from one class to the other, unless --to-seed is given. For
    any other model, --from and --to choose, of random latents, two that the feature classifier recognises.
    """

    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="CLASS")] = None
    """Class of the first image, by name or number; give --to as well."""
    to: Annotated[str | None, tyro.conf.arg(metavar="CLASS")] = None
    """Class of the last image, by name or number."""
    seed: int = 0
    """Seed of the first latent, or of those that ends are chosen from."""
    to_seed: int | None = None
    """Seed of the last latent [one more than --seed; with --from and --to: as --seed]."""
    steps: int = 10
    """Steps from the first image to the last; the strip has one image more."""
    method: Literal["slerp", "lerp"] = "slerp"
    """slerp follows a great circle and keeps the length of the latent; lerp is a straight line."""
    out: Path = Path("interpolation.png")
    """PNG to write: the images side by side."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if not 1 <= self.steps <= MOST_STEPS:
            raise ValueError(f"--steps is {self.steps}; use 1 to {MOST_STEPS}")
        if (self.from_ is None) != (self.to is None):
            raise ValueError("--from and --to belong together; give both, or neither")
        _check_png(self.out)
        run = runs.run(self.name, self.folder)
        classes = self._classes(run.config().dataset_spec)
        latent_space, _ = self.load(run, {})
        from gencore.data.batches import quantise
        from gencore.latent import traversal
        from gencore.models.base import HasLatent
        from gencore.sampling import sheets
        from gencore.store.files import write_atomically

        if not isinstance(latent_space.model, HasLatent):
            raise ValueError(f"{run.name} has no latent space; name a run of another model")
        ends = self._ends(latent_space, run, classes)
        images = quantise(latent_space.draw(traversal.path(ends, self.steps, self.method)))
        write_atomically(self.out, sheets.to_png(images, columns=len(images)))
        print(f"{len(images)} images of {run.name} by {self.method} in {self.out}")
        return DONE

    def _classes(self, spec: DatasetSpec) -> tuple[int, int] | None:
        if self.from_ is None or self.to is None:
            return None
        return spec.class_index(self.from_), spec.class_index(self.to)

    def _ends(self, latent_space: LatentSpace, run: Run, classes: tuple[int, int] | None) -> LatentPoints:
        """The two ends. Raises ValueError where the model needs classes, MissingFeaturesError."""
        from gencore.latent.traversal import LatentPoints

        is_conditional = latent_space.model.conditional
        if classes is None and is_conditional:
            raise ValueError(
                f"{run.name} draws the class that it is asked for; name two with --from and --to, which may "
                "be the same"
            )
        if classes is None or is_conditional:
            first, last = classes or (None, None)
            to_seed = self.to_seed
            if to_seed is None:
                to_seed = self.seed if classes else self.seed + 1
            return LatentPoints.of(
                [latent_space.random(self.seed, first), latent_space.random(to_seed, last)]
            )
        if self.to_seed is not None:
            raise ValueError(
                f"--to-seed is {self.to_seed}, but {run.name} takes no labels, so the latents of --from and "
                "--to are chosen from those of --seed; leave --to-seed out"
            )
        return _recognised_ends(latent_space, run, classes, self.seed)


def _recognised_ends(
    latent_space: LatentSpace, run: Run, classes: tuple[int, int], seed: int
) -> LatentPoints:
    """Latents whose images are recognised as `classes`; says how certain that is.

    Raises MissingFeaturesError, CheckpointError, UnreadableError."""
    from gencore.data.batches import quantise
    from gencore.models.feature_extractor import load_extractor

    spec, device = latent_space.model.spec, latent_space.model.device
    extractor = load_extractor(spec, device, run.home)
    ends = latent_space.ends_of_classes(extractor, classes, seed)
    p = extractor(quantise(latent_space.draw(ends)).to(device)).logits.softmax(1)
    for place, of_end, label in zip(("first", "last"), p, classes, strict=True):
        say(f"{place} image: {spec.class_names[label]} with probability {of_end[label].item():.0%}")
    return ends


def _check_png(out: Path) -> None:
    if out.suffix != ".png":
        raise ValueError(f"--out is {out}; end it in .png")
