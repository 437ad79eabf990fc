"""A study's file: what it expands to, and which faults are refused by name before anything is written."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Result

from gencore.config.options import PRESETS
from gencore.store.runs import all_runs, run, studies_folder
from gencore.studies import plan, records, study

BASE = "{preset: dcgan, dataset: digits, options: {epochs: 3}}"


def parsed(body: str, base: str = BASE) -> study.Study:
    return study.parse(f"name: made\nbase: {base}\n{textwrap.dedent(body)}")


def test_a_grid_is_all_combinations_on_every_seed() -> None:
    trials = plan.expand(
        parsed(
            """
            axes:
              learning rate:
                options: [generator_learning_rate, discriminator_learning_rate]
                values: [1e-4, 2e-4]
              beta1: [0.3, 0.5, 0.7]
            seeds: 2
            """
        )
    )
    assert len(trials) == len({trial.name for trial in trials}) == 2 * 3 * 2
    assert [trial.seed for trial in trials[:2]] == [42, 43]
    last = trials[-1]
    assert last.point == {"learning rate": 2e-4, "beta1": 0.7}
    model = last.config.model.model_dump()
    assert (model["generator_learning_rate"], model["discriminator_learning_rate"]) == (2e-4, 2e-4)
    assert (last.config.training.epochs, last.config.training.seed, last.config.study) == (3, 43, "made")


def test_a_trial_keeps_its_name_when_the_study_gets_another_level() -> None:
    names = [
        {trial.name for trial in plan.expand(parsed(f"axes: {{beta1: {one}}}"))}
        for one in ([0.3], [0.5, 0.3])
    ]
    assert names[0] < names[1]


def test_an_ablation_changes_one_thing_at_a_time_from_the_base() -> None:
    trials = plan.expand(
        parsed(
            """
            ablation:
              no average: {ema_decay: 0}
              deeper, smoothed: {depth: 2, real_label: 0.9}
            """
        )
    )
    base, plain, deeper = (trial.config for trial in trials)
    assert [trial.point["change"] for trial in trials] == ["base", "no average", "deeper, smoothed"]
    assert [line.split(":")[0] for line in base.difference(plain)] == ["training.ema_decay"]
    assert {line.split(":")[0] for line in base.difference(deeper)} == {"model.depth", "model.real_label"}


def test_a_range_has_values_of_the_options_kind_evenly_on_its_scale() -> None:
    trials = plan.expand(parsed("axes: {latent_dim: {lower: 64, upper: 512, scale: log, number: 4}}"))
    assert [trial.point["latent_dim"] for trial in trials] == [64, 128, 256, 512]
    widths = plan.expand(parsed("axes: {width: {lower: 8, upper: 33, number: 3}}"))
    assert [trial.point["width"] for trial in widths] == [8, 24, 32], "multiples of 8, as the option wants"


def test_random_points_lie_in_their_ranges_and_are_the_same_again() -> None:
    body = """
        axes:
          beta1: {lower: 0.1, upper: 0.9}
          generator_learning_rate: {lower: 1e-5, upper: 1e-2, scale: log}
        search: {method: random, points: 60}
        """
    first, again = (plan.expand(parsed(body)) for _ in range(2))
    assert [trial.name for trial in first] == [trial.name for trial in again]
    rates = [float(str(trial.point["generator_learning_rate"])) for trial in first]
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert 15 < sum(rate < 10**-3.5 for rate in rates) < 45, "half of them below the middle of the log range"


FAULTS = {
    "an unknown axis": ("axes: {beta_1: [0.5]}", "no option beta_1; perhaps beta1"),
    "an unknown option of the base": (
        "axes: {beta1: [0.5]}",
        "base: a GAN has no option epoch; perhaps epochs",
    ),
    "an empty list": ("axes: {beta1: []}", "axis without values makes an empty grid"),
    "no axes": ("seeds: 3", "the grid is empty"),
    "a value out of bounds": ("axes: {beta1: [0.5, 1.5]}", "axis beta1: Input should be less than 1"),
    "a value twice": ("axes: {generator_learning_rate: [1e-4, 0.0001]}", "lists 0.0001 more than once"),
    "an impossible combination": (
        "axes: {loss: [bce, wasserstein]}",
        "loss wasserstein: model: loss wasserstein needs a discriminator of bounded slope",
    ),
    "an impossible change": (
        "ablation: {hinge: {loss: hinge, real_label: 0.9}}",
        "change hinge: model: real_label",
    ),
    "an impossible corner of a search": (
        "axes: {loss: [bce, wasserstein]}\nsearch: {method: tpe, points: 5}",
        "needs a discriminator of bounded slope",
    ),
    "more points than there are": (
        "axes: {beta1: [0.3, 0.5]}\nsearch: {method: random, points: 3}",
        "only 2 combinations",
    ),
    "a search without points": ("axes: {beta1: [0.5]}\nsearch: {method: tpe}", "needs points"),
    "a range upside down": ("axes: {beta1: {lower: 0.9, upper: 0.1, number: 2}}", "swap them"),
    "a range without number in a grid": ("axes: {beta1: {lower: 0.1, upper: 0.9}}", "it needs number"),
    "the seed as an axis": ("axes: {seed: [1, 2]}", "seed is set by seeds"),
    "axes and an ablation": ("axes: {beta1: [0.5]}\nablation: {x: {beta1: 0.3}}", "make two studies"),
    "a change that changes nothing": ("ablation: {same: {beta1: 0.5}}", "are the same training"),
    "an unknown key": ("axis: {beta1: [0.5]}", "unknown key axis; known keys: name, about, base, axes"),
    "an unknown objective": (
        "axes: {beta1: [0.5]}\nobjective: fid",
        "there is no objective fid; use one of quick_fd, fd",
    ),
    "a seed twice": ("axes: {beta1: [0.5]}\nseeds: [1, 1]", "seed 1 is listed more than once"),
    "nothing to cut": ("axes: {beta1: [0.5]}\nscheduler: asha\nasha_first_epoch: 3", "nothing would be cut"),
    "no distances to compare": ("axes: {beta1: [0.5]}", "needs quick Fréchet distances"),
    "an unknown preset": ("axes: {beta1: [0.5]}", "there is no preset dcgn"),
    "no YAML": ("axes: {beta1: [0.5", "is no YAML"),
}
BASES = {
    "an unknown option of the base": "{preset: dcgan, dataset: digits, options: {epoch: 3}}",
    "no distances to compare": "{preset: gan-quick, dataset: digits}",
    "an unknown preset": "{preset: dcgn, dataset: digits}",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_written(
    fault: str, gencore: Callable[..., Result], with_extractor: Path, tmp_path: Path
) -> None:
    body, named = FAULTS[fault]
    path = tmp_path / "study.yaml"
    path.write_text(f"name: made\nbase: {BASES.get(fault, BASE)}\n{body}\n")
    before = [one.name for one in all_runs()]
    found = gencore("study", "run", path, "--yes")
    assert found.code == 2 and named in found.complaint
    assert not studies_folder().exists() and [one.name for one in all_runs()] == before


def test_without_feature_classifiers_or_a_file_nothing_begins(
    gencore: Callable[..., Result], home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: made\nbase: {BASE}\naxes: {{beta1: [0.5]}}\n")
    assert "`gencore features digits` trains them" in gencore("study", "run", path, "--yes").complaint
    assert gencore("study", "run", tmp_path / "none.yaml").code == 2
    assert "no study named none" in gencore("study", "show", "none").complaint
    assert not studies_folder().exists()


def test_no_run_reaches_the_studies_and_no_study_leaves_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        run(studies_folder(tmp_path).name, tmp_path)
    with pytest.raises(ValueError, match="is not allowed"):
        records.record("../other", tmp_path)
    (studies_folder(tmp_path) / "x").mkdir(parents=True)
    (studies_folder(tmp_path) / "config.json").write_text(PRESETS["vae"].model_dump_json())
    assert all_runs(tmp_path) == []


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent.parent / "studies").glob("*.yaml")), ids=lambda p: p.stem
)
def test_a_committed_study_expands(path: Path) -> None:
    asked = study.read(path)
    trials = plan.expand(asked)
    assert asked.name == path.stem and (trials or asked.search.method == "tpe")
