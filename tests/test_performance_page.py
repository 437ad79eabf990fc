"""The Performance page without a browser, in every state, and what it computes."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from browser.made_runs import config, four, measured, seeded, trained
from browser.made_scores import all_scored, scored
from streamlit.testing.v1 import AppTest
from support import made_origin, made_results
from visits import REPOSITORY, checked, text_of, visit

from dashboard.data import run_catalog
from dashboard.widgets import model_choice
from gencore.analysis.comparison import compare
from gencore.analysis.measured_models import Model
from gencore.analysis.reported import reported
from gencore.analysis.scores import SCORES
from gencore.reports import spheres
from gencore.store import results
from gencore.store.results import Metric, Results
from gencore.store.runs import run

pytestmark = pytest.mark.usefixtures("home", "fresh_caches")

EQUAL = dict.fromkeys(SCORES, 5)


def overall_of(app: AppTest) -> list[str]:
    """The models in the order in which the page ranks them."""
    [told] = [line for line in text_of(app).splitlines() if line.startswith("**Overall**")]
    return [part.split()[0] for part in told.split(": ")[1].split(" · ")]


# states


def test_without_runs_it_says_what_to_do(home: Path) -> None:
    assert (
        "Nothing is measured yet" in (shown := text_of(visit("performance"))) and "gencore compare" in shown
    )


def test_runs_that_were_not_measured_are_named_with_the_command_that_does_it(home: Path) -> None:
    trained(home, "digits-vae", config("vae"))
    assert "gencore evaluate digits-vae" in text_of(visit("performance"))


def test_measured_in_part_it_ranks_by_what_there_is_and_says_what_is_missing(home: Path) -> None:
    four(home)
    app = visit("performance")
    assert overall_of(app) == ["DDPM", "cGAN", "GAN", "VAE"]
    assert [slider.disabled for slider in app.main.slider] == [False, True, True, True]
    shown = text_of(app)
    assert "quality alone" in shown and "No share of random weightings" in shown
    assert "Controllability :gray[is not measured yet]" in shown
    assert "**all** without hits: control_hit_rate not measured" in shown
    app.main.toggle(key="ghosts").set_value(True).run()
    assert "Reported scores are not in this figure" in text_of(checked(app))


def test_a_model_that_lacks_a_weighted_score_has_no_overall_until_its_weight_is_0(home: Path) -> None:
    for seed in (42, 43, 44):
        scored(measured(home, f"digits-vae-{seed}", seeded("vae", seed), 0.5), 0.5)
    measured(home, "digits-gan", config("gan"), 0.9)
    app = visit("performance")
    assert overall_of(app) == [
        "VAE"
    ] and "GAN has no overall: stability, controllability, efficiency" in text_of(app)
    for name in SCORES[1:]:
        app.main.slider(key=name).set_value(0)
    assert overall_of(checked(app.run())) == ["GAN", "VAE"]


def test_measured_in_full_it_shows_scores_seeds_ties_and_who_wins_how_often(home: Path) -> None:
    all_scored(home, seeds=3)
    app = visit("performance")
    shown = text_of(app)
    assert "3 seeds a model" in shown and "Over the 3 seeds of each model" in shown
    assert "Axes: quality, stability, controllability" in shown
    assert "- controllability: DDPM > cGAN > GAN > VAE" in shown
    assert "- Fréchet distance ÷ floor: DDPM > cGAN > GAN > VAE" in shown
    assert "Percent: the share of random weightings" in shown and "*Tie*" in shown
    assert len(app.get("plotly_chart")) == 6


def test_of_single_seeds_stability_cannot_be_weighed_and_efficiency_is_an_axis(home: Path) -> None:
    all_scored(home, seeds=1, dataset="mnist")
    app = visit("performance")
    shown = text_of(app)
    assert [slider.disabled for slider in app.main.slider] == [False, True, False, False]
    assert "Stability :gray[is not measured yet]" in shown
    assert "**all** without seeds: needs 3 seeds; there are 1" in shown
    assert "Axes: quality, controllability, efficiency" in shown
    assert len(overall_of(app)) == 4


def test_models_of_unlike_machines_are_weighed_without_their_efficiency(home: Path) -> None:
    all_scored(home, seeds=3)
    for name in ("digits-gan", "digits-gan-43", "digits-gan-44"):
        of_device(name, "NVIDIA H200")
    app = visit("performance")
    shown = text_of(app)
    told = "machines: not compared: timed on NVIDIA H200 (2 threads) and on cpu (2 threads)"
    assert f"**all** without {told}" in shown and "Efficiency :gray[is not measured yet]" in shown
    assert [slider.disabled for slider in app.main.slider] == [False, False, False, True]
    assert "Axes: quality, stability, controllability" in shown and len(overall_of(app)) == 4


def of_device(name: str, device: str) -> None:
    """Say of a run that it was timed there."""
    made = run(name)
    found = made.load_results()
    there = found.origins["evaluation"].model_copy(update={"device": device})
    results.save(
        made.results_path, found.model_copy(update={"origins": found.origins | {"evaluation": there}})
    )


def test_models_whose_extractors_disagree_tie_in_the_ranking(home: Path) -> None:
    for seed in (42, 43, 44):
        for preset, goodness in (("vae", 0.5), ("gan", 0.9)):
            made = measured(home, f"digits-{preset}-{seed}", seeded(preset, seed), goodness - seed / 1e4)
            found = made.load_results()
            by = found.metrics["fd_over_floor"].by_extractor | {"mixer": 1.5 if preset == "vae" else 2.5}
            distance = Metric(value=statistics.geometric_mean(by.values()), floor=1.0, by_extractor=by)
            metrics = found.metrics | {"fd_over_floor": distance}  # the GAN is far ahead, but for the mixer
            results.save(made.results_path, found.model_copy(update={"metrics": metrics}))
    shown = text_of(visit("performance"))
    assert "- Fréchet distance ÷ floor: GAN ⇄ VAE" in shown and "- Recall: GAN > VAE" in shown


def test_one_corrupt_run_costs_only_itself(home: Path) -> None:
    all_scored(home, seeds=1)
    run("digits-gan").results_path.write_text('{"schema_version": 99}')
    run("digits-vae").config_path.write_text("{")
    (run("digits-cgan").results / "samples.png").write_bytes(b"no picture")
    app = visit("performance")
    assert set(overall_of(app)) == {"cGAN", "DDPM"}
    shown = text_of(app)
    assert shown.count("is unreadable") == 2 and "**digits-gan** is not shown" in shown


def test_results_of_another_data_set_than_the_runs_own_are_an_error_in_words(home: Path) -> None:
    four(home, "digits")
    made = run("digits-gan")
    results.save(made.results_path, made.load_results().model_copy(update={"dataset": "mnist"}))
    assert "different data sets" in text_of(visit("performance"))


def test_the_data_set_is_chosen_in_the_address(home: Path) -> None:
    four(home, "mnist")
    measured(home, "digits-vae", config("vae"), 0.5)
    assert overall_of(visit("performance", dataset="digits")) == ["VAE"]
    assert len(overall_of(visit("performance"))) == 4


# weights


def test_weights_change_the_ranking_and_come_from_the_address(home: Path) -> None:
    all_scored(home)
    app = visit("performance", quality="0", stability="0", controllability="0")
    assert overall_of(app)[-1] == "DDPM"
    app.main.slider(key="efficiency").set_value(0).run()
    assert "Give at least one score a weight" in text_of(checked(app))
    app.main.slider(key="quality").set_value(1).run()
    assert overall_of(checked(app))[0] == "DDPM"


def of_seeds(label: str, *precisions: float) -> Model:
    """Quality, and nothing else, from seed to seed by precision."""
    return Model(
        label,
        "#112233",
        tuple(quality_of(label, seed, precision) for seed, precision in enumerate(precisions)),
    )


def quality_of(label: str, seed: int, precision: float) -> Results:
    return made_results(
        label,
        seed=seed,
        fd_over_floor=Metric(value=10.0, by_extractor={"residual": 10.0}),
        blur_over_floor=Metric(value=100.0, by_extractor={"residual": 100.0}),
        precision=Metric(value=precision, floor=1.0),
        recall=Metric(value=0.5, floor=1.0),
        coverage=Metric(value=0.5, floor=1.0),
        class_total_variation=0.0,
        authentic_share=Metric(value=0.5, floor=0.5),
    )


def test_a_lead_that_holds_seed_by_seed_is_none_by_chance_and_one_that_does_not_is_a_tie() -> None:
    good, close, bad = (
        of_seeds("A", 0.7, 0.8, 0.9),
        of_seeds("B", 0.72, 0.74, 0.88),
        of_seeds("C", 0.3, 0.41, 0.5),
    )
    ranked = model_choice.rank_models([bad, close, good], {"quality": 2.0, "stability": 0.0})
    assert [(one.model.name, one.ties) for one in ranked] == [("A", True), ("B", False), ("C", None)]
    assert ranked[0].shares == {"quality": pytest.approx(ranked[0].overall)}


def test_with_one_seed_or_other_seeds_it_is_not_known_whether_a_lead_is_chance() -> None:
    one, other = of_seeds("A", 0.9), of_seeds("B", 0.5)
    assert model_choice.rank_models([one, other], {"quality": 1.0})[0].ties is None


def test_the_shares_of_the_scores_add_up_to_the_overall(home: Path) -> None:
    all_scored(home, seeds=3)
    entries = run_catalog.generative_runs()
    shown = model_choice.side_by_side(model_choice.models_on(entries, "digits"), "digits")
    ranked = model_choice.rank_models([one.model for one in shown if one.model], EQUAL)
    assert len(ranked) == 4
    for one in ranked:
        assert one.shares.keys() == EQUAL.keys() and sum(one.shares.values()) == pytest.approx(one.overall)


def test_seeds_of_one_recipe_measured_alike_stand_together(home: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.6)
    measured(home, "again", config("vae"), 0.5)  # the same seed
    measured(home, "second", seeded("vae", 7), 0.5)
    measured(
        home,
        "longer",
        seeded("vae", 8).model_copy(update={"data": config("vae").data.model_copy(update={"batch_size": 7})}),
        0.5,
    )
    other = measured(home, "otherwise", seeded("vae", 9), 0.5)
    results.save(other.results_path, other.load_results().model_copy(update={"extractor_digest": "9" * 64}))
    trained(home, "unmeasured", seeded("vae", 10))
    entries = run_catalog.generative_runs()
    found = model_choice.models_on(entries, "digits")
    assert [[one.run.name for one in runs] for runs in found][0] == ["digits-vae", "second"]
    assert {runs[0].run.name for runs in found[1:]} == {"again", "longer", "otherwise", "unmeasured"}
    headline = model_choice.side_by_side(found, "digits")[0]
    assert [one.seed for one in headline.model.results] == [7, 42]
    assert headline.look.name == "VAE · vae"


# what others say


def test_ghosts_come_on_demand_with_their_caveats(home: Path) -> None:
    all_scored(home, seeds=3, dataset="mnist")
    app = visit("performance")
    assert "*reported*" not in text_of(app)
    app.main.toggle(key="ghosts").set_value(True).run()
    shown = text_of(checked(app))
    titles = {reported_model.title for reported_model in spheres.reported_models(reported("mnist"))}
    assert shown.count("*reported*") == len(titles) > 0 and "labelled 'estimated' there" in shown


def test_single_seeds_are_ranked_by_a_comparison_file_and_a_broken_one_is_named(home: Path) -> None:
    four(home, "digits")
    assert "Not ranked: a ranking needs" in text_of(visit("performance"))
    folder = home / "results" / "_comparisons"
    folder.mkdir()
    of_label = {label: [quality_of(label, seed, precision) for seed, precision in enumerate(of)]
                for label, of in {"VAE": (0.2, 0.3, 0.4), "GAN": (0.7, 0.8, 0.9)}.items()}  # fmt: skip
    results.save(
        folder / "study.json", compare(of_label, epochs=2, origin=made_origin("gencore compare --seeds 3"))
    )
    (folder / "torn.json").write_text("{")
    shown = text_of(visit("performance"))
    assert (
        "quality: GAN > VAE" in shown
        and "By **study**, which compares other runs than those above: 3 seeds of each model, 2 epochs"
        in shown
        and "gencore compare --seeds 3" in shown
    )
    assert "torn.json" in shown


def test_the_page_loads_no_torch(home: Path) -> None:
    page = "dashboard/views/performance.py"
    code = f"import runpy, sys; runpy.run_path({page!r}); sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={"PYTHONPATH": str(REPOSITORY), "GENCORE_HOME": str(home)},
        ).returncode
        == 0
    )
