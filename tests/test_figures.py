"""Figures by their data: where models stand, how large their spheres are, what their hover text says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import made_results

from gencore.analysis import colours
from gencore.analysis.comparison import MeanInterval
from gencore.analysis.measured_models import Model, alongside
from gencore.analysis.reported import reported
from gencore.config.families import variants
from gencore.metrics import catalog
from gencore.reports import charts, spheres, training_curves
from gencore.reports.spheres import OF_ONE_SEED, PARTS, SCORES, ModelPosition, ReportedModel
from gencore.reports.training_curves import RunLog
from gencore.store.events import Event, Progress, QuickDistance, Resumed
from gencore.store.results import Metric, Results

CONTROL = {"control_hit_rate": 0.9, "control_chance": 0.1, "control_real_accuracy": 0.9}
PASSED = {
    "fd_last_over_best": 0.8,
    "gradient_spike_share": 0.0,
    "training_finite": 1.0,
    "worst_within_class_variance": 1.0,
}
COSTS = {"seconds_to_blur": 600.0, "samples_per_second_1000": 1e4, "peak_memory_mib": 1280.0}


def measured(label: str = "VAE", seed: int = 42, precision: float = 0.6, **more: Metric | float) -> Results:
    """Results with all parts of quality: realism 1/2, fidelity `precision`/0.8, variety 1/2, coverage 1/2,
    balance 0.9, novelty 0.96.
    """
    metrics: dict[str, Metric | float] = {
        "fd": Metric(value=10.0, floor=1.0),
        "fd_of_blur": 100.0,
        "fd_over_floor": Metric(value=6.0, floor=1.0, by_extractor={"residual": 9.0, "plain": 4.0}),
        "blur_over_floor": Metric(value=36.0, floor=1.0, by_extractor={"residual": 81.0, "plain": 16.0}),
        "precision": Metric(value=precision, floor=0.8),
        "recall": Metric(value=0.4, floor=0.8),
        "coverage": Metric(value=0.45, floor=0.9),
        "class_total_variation": 0.1,
        "authentic_share": Metric(value=0.48, floor=0.5),
        "samples_per_second_100": 1000.0,
    }
    return made_results(label, seed=seed, **metrics | more)


def steerable(label: str = "VAE", **more: Metric | float) -> Results:
    return measured(label, **CONTROL, **PASSED, control_coverage=Metric(value=0.4, floor=0.8), **more)


def of_three_seeds(label: str = "VAE", **more: Metric | float) -> tuple[Results, ...]:
    return tuple(steerable(label, seed=seed, **more) for seed in range(3))


def model(*results: Results, name: str = "VAE") -> Model:
    return Model(name, colours.colour(results[0].label), results)


def placed(name: str, point: tuple[float, float, float], **more: object) -> ModelPosition:
    return ModelPosition(name, ("r",), point, "measured", "#112233", **more)


def reach(mesh: object, centre: tuple[float, float, float]) -> np.ndarray:
    """How far a mesh's points lie from `centre`."""
    return np.sqrt(
        sum((axis - middle) ** 2 for axis, middle in zip((mesh.x, mesh.y, mesh.z), centre, strict=True))
    )


def meshes(figure: object, name: str) -> list:
    return [trace for trace in figure.data if trace.type == "mesh3d" and trace.name == name]


# the performance space


def test_a_model_stands_where_its_parts_of_quality_are() -> None:
    place = spheres.place(model(measured()), PARTS)
    assert place.point == pytest.approx((0.5, 0.75, 0.5))
    assert place.radius == pytest.approx(math.sqrt(0.25 + 0.0625 + 0.25))


def test_axes_are_the_scores_only_where_every_model_has_all_three() -> None:
    complete, partial = model(*of_three_seeds()), model(measured("GAN"), name="GAN")
    assert spheres.shared_axes([complete]) == SCORES
    assert spheres.shared_axes([complete, partial]) == PARTS
    assert "quality alone" in spheres.caption(PARTS) and "quality alone" not in spheres.caption(SCORES)
    assert spheres.place(partial, SCORES) is None
    quality, stability, controllability = spheres.place(complete, SCORES).point
    assert quality == complete.scores["quality"].value and stability == complete.scores["stability"].value
    assert controllability == pytest.approx(math.sqrt(1 * 0.5))


def test_without_three_seeds_of_every_model_efficiency_is_an_axis_in_place_of_stability() -> None:
    seeds, one = model(*of_three_seeds(**COSTS)), model(steerable("GAN", **COSTS), name="GAN")
    assert spheres.shared_axes([seeds]) == SCORES
    assert spheres.shared_axes([one]) == spheres.shared_axes([seeds, one]) == OF_ONE_SEED
    assert spheres.shared_axes([seeds, model(steerable("GAN"))]) == PARTS, "it has no efficiency"
    assert spheres.shared_axes([]) == PARTS
    told = spheres.caption(OF_ONE_SEED)
    assert "quality, controllability, efficiency" in told and "quality alone" not in told
    assert "stability, which needs 3 seeds of every model" in told
    assert "3 seeds" not in spheres.caption(SCORES) + spheres.caption(PARTS)


def test_on_the_axes_of_one_seed_a_model_stands_at_quality_controllability_and_efficiency() -> None:
    one = model(steerable(**COSTS))
    place = spheres.place(one, OF_ONE_SEED)
    quality = 0.96 * (0.5 * 0.75 * 0.5 * 0.5 * 0.9) ** 0.2
    memory = math.log(12.8) / math.log(1638.4)
    assert place.point == pytest.approx((quality, math.sqrt(1 * 0.5), (0.5 * 0.8 * memory) ** (1 / 3)))
    assert place.intervals == (None, None, None) and place.efficiency == place.point[2]
    two = spheres.place(model(steerable(seed=1, **COSTS), steerable(seed=2, **COSTS)), OF_ONE_SEED)
    assert None not in two.intervals
    assert spheres.place(model(steerable()), OF_ONE_SEED) is None


def test_models_of_unlike_machines_stand_by_their_parts_of_quality() -> None:
    one, other = steerable(**COSTS), steerable("GAN", **COSTS)
    elsewhere = one.origins["evaluation"].model_copy(update={"device": "NVIDIA H200"})
    other = other.model_copy(update={"origins": {"evaluation": elsewhere}})
    models = [model(one), model(other, name="GAN")]
    assert spheres.shared_axes(models) == OF_ONE_SEED
    assert spheres.shared_axes(alongside(models)) == PARTS


def test_a_model_without_a_coordinate_has_no_place() -> None:
    lacking = measured(coverage=Metric(value=None, reason="left out"))
    assert spheres.place(model(lacking), PARTS) is None


def test_a_sphere_passes_through_its_models_own_place() -> None:
    figure = spheres.performance_space([placed("VAE", (0.4, 0.7, 0.9))], "distance to ideal")
    [sphere] = meshes(figure, "VAE")
    np.testing.assert_allclose(reach(sphere, (1, 1, 1)), math.sqrt(0.36 + 0.09 + 0.01))


def test_a_sphere_is_closed() -> None:
    """Its triangles have the area of the sphere, up to their flatness."""
    [sphere] = meshes(spheres.performance_space([placed("VAE", (0, 1, 1))], "distance to ideal"), "VAE")
    corners = np.stack([sphere.x, sphere.y, sphere.z], axis=1)
    i, j, k = (corners[list(index)] for index in (sphere.i, sphere.j, sphere.k))
    area = np.linalg.norm(np.cross(j - i, k - i), axis=1).sum() / 2
    assert area == pytest.approx(4 * math.pi, rel=0.02)


def test_in_their_own_places_models_stand_where_their_scores_are_and_efficient_ones_are_larger() -> None:
    slow, fast = (
        placed("slow", (0.4, 0.7, 0.9), efficiency=0.1),
        placed("fast", (0.8, 0.8, 0.8), efficiency=0.9),
    )
    figure = spheres.performance_space([slow, fast], "own place")
    radii = {}
    for one in (slow, fast):
        [ball] = meshes(figure, one.name)
        distances = reach(ball, one.point)
        np.testing.assert_allclose(distances, distances[0])
        radii[one.name] = distances[0]
    assert radii["fast"] > radii["slow"]


def test_an_ellipsoid_spans_the_intervals_over_seeds_and_stays_among_the_scores() -> None:
    one = placed("VAE", (0.5, 0.9, 0.3), intervals=((0.4, 0.6), (0.7, 1.3), None))
    _, ellipsoid = meshes(spheres.performance_space([one], "own place"), "VAE")
    assert (ellipsoid.x.min(), ellipsoid.x.max()) == pytest.approx((0.4, 0.6), abs=2e-3)
    assert (ellipsoid.y.min(), ellipsoid.y.max()) == pytest.approx((0.7, 1.0), abs=2e-3)
    assert np.ptp(ellipsoid.z) == 0 and ellipsoid.z[0] == 0.3


def test_intervals_are_those_of_the_seeds_and_a_single_seed_has_none() -> None:
    seeds = [measured(seed=seed, precision=precision) for seed, precision in enumerate((0.4, 0.48, 0.56))]
    place = spheres.place(model(*seeds), PARTS)
    expected = MeanInterval.of([0.5, 0.6, 0.7])
    assert place.point[1] == pytest.approx(0.6)
    assert place.intervals[1] == pytest.approx((expected.low, expected.high))
    assert "(0.35 to 0.85)" in place.hover and "3 seeds" in place.hover
    alone = spheres.place(model(seeds[0]), PARTS)
    assert alone.intervals == (None, None, None) and "1 seed ·" in alone.hover


def test_stability_has_no_interval_for_all_seeds_have_it_together() -> None:
    seeds = steerable(seed=1), steerable(seed=2, precision=0.7), steerable(seed=3)
    place = spheres.place(model(*seeds), SCORES)
    assert place.intervals[0] is not None and place.intervals[1] is None and place.intervals[2] is not None


def test_hover_names_model_scores_zone_and_origin_and_escapes_them() -> None:
    hover = placed("<b>x", (0.85, 0.9, 0.95)).hover
    assert "&lt;b&gt;x" in hover and "realism 0.85" in hover and "elite" in hover and "measured" in hover
    assert "efficiency not measured" in hover


def test_ghosts_stand_at_reported_scores_with_their_caveat_and_only_among_scores() -> None:
    reported_models = spheres.reported_models(reported("mnist"))
    assert {
        reported_model.name: reported_model.point
        for reported_model in reported_models
        if "README" in reported_model.title
    }["cGAN"] == (0.85, 0.6, 0.9)
    scored = placed("VAE", (0.5, 0.5, 0.5), axes=SCORES)
    figure = spheres.performance_space([scored], "own place", reported_models)
    [trace] = [trace for trace in figure.data if trace.name == "reported"]
    assert list(zip(trace.x, trace.y, trace.z, strict=True)) == [
        reported_model.point for reported_model in reported_models
    ]
    assert all("reported by" in told for told in trace.hovertext) and any(
        "estimated" in told for told in trace.hovertext
    )
    for axes in (PARTS, OF_ONE_SEED):
        other = placed("VAE", (0.5, 0.5, 0.5), axes=axes)
        figure = spheres.performance_space([other], "own place", reported_models)
        assert not [trace for trace in figure.data if trace.name == "reported"], axes


def test_a_ghosts_text_is_escaped() -> None:
    assert "<img" not in ReportedModel("<img>", (0, 0, 0), "<img>", "<img src=x>").hover


def test_models_on_different_axes_are_not_drawn_together() -> None:
    with pytest.raises(ValueError, match="different axes"):
        spheres.performance_space([placed("a", (0, 0, 0)), placed("b", (0, 0, 0), axes=SCORES)], "own place")


def test_the_space_in_words_ranks_by_distance() -> None:
    told = spheres.describe([placed("far", (0, 1, 1)), placed("near", (0.9, 1, 1))])
    assert told.index("near 0.10") < told.index("far 1.00")


# flat figures


def test_each_model_has_a_colour_of_its_own_and_runs_of_one_model_are_told_apart() -> None:
    for task in ("generation", "translation"):  # which are never in one figure
        found = [variant.colour for variant in variants(task)]
        assert len(set(found)) == len(found) > 1
    of_runs = colours.run_colours({"a": "VAE", "b": "GAN", "c": "VAE"})
    assert of_runs["a"] == colours.COLOURS["VAE"] and of_runs["b"] == colours.COLOURS["GAN"]
    assert len(set(of_runs.values())) == 3


def test_the_radar_has_the_spokes_that_every_model_has() -> None:
    full, partial = model(*of_three_seeds()), model(measured("GAN"), name="GAN")
    parts = ["realism", "fidelity", "variety", "coverage", "novelty", "balance"]
    both = charts.radar([full, partial])
    assert list(both.data[0].theta[:-1]) == parts
    assert list(both.data[1].r) == pytest.approx([0.5, 0.75, 0.5, 0.5, 0.96, 0.9, 0.5])
    assert list(charts.radar([full]).data[0].theta[6:8]) == ["stability", "controllability"]
    assert list(charts.radar([model(steerable())]).data[0].theta[6:8]) == ["controllability", "realism"]
    assert charts.radar([model(made_results(precision=Metric(value=0.5, floor=1.0)))]) is None


def test_the_heat_map_is_coloured_by_score_and_leaves_what_has_no_anchor_uncoloured() -> None:
    one = model(measured(fd_random=3.0, feature_distance_ratio=1.25))
    heat, text = charts.heatmap(
        [one, model(measured("GAN", recall=Metric(value=None, reason="no <i>")), name="GAN")]
    ).data
    rows = dict(zip(heat.y, heat.z, strict=True))
    score = {name: rows[charts.titled(name)][0] for name in catalog.METRICS if charts.titled(name) in rows}
    assert score["fd_over_floor"] == pytest.approx(0.5) and score["precision"] == pytest.approx(0.75)
    assert score["recall"] == pytest.approx(0.5) and score["feature_distance_ratio"] == pytest.approx(0.8)
    assert score["class_total_variation"] == pytest.approx(0.9)
    for name in ("fd", "fd_random", "samples_per_second_100"):
        assert score[name] is None, name
    shown = dict(
        zip(zip(text.x, text.y, strict=True), zip(text.text, text.hovertext, strict=True), strict=True)
    )
    assert shown["VAE", "Fréchet distance · smaller"][0] == "10"
    hover = shown["VAE", "Fréchet distance · smaller"][1]
    assert "real images 1" in hover and "Fréchet distance (fd)" in hover
    assert shown["VAE", "Fréchet distance ÷ floor · smaller"][0] == "6"
    missing = shown["GAN", "Recall · larger"]
    assert missing[0] == "–" and "no &lt;i&gt;" in missing[1]


def test_bars_carry_intervals_over_seeds_and_a_line_at_the_floor() -> None:
    seeds = [measured(seed=seed, precision=precision) for seed, precision in enumerate((0.4, 0.5, 0.6))]
    figure = charts.bars([model(*seeds), model(measured("GAN"), name="GAN")])
    bars = {trace.name: trace for trace in figure.data}
    assert "conditional_accuracy" not in bars
    assert list(bars["precision"].x) == pytest.approx([0.5, 0.6])
    expected = MeanInterval.of([0.4, 0.5, 0.6])
    assert bars["precision"].error_x.array[0] == pytest.approx(expected.high - expected.mean)
    assert bars["precision"].error_x.array[1] is None
    lines = {shape.xref: shape.x0 for shape in figure.layout.shapes}
    assert lines[bars["precision"].xaxis] == 0.8 and lines[bars["fd"].xaxis] == 1.0
    assert charts.bars([model(made_results())]) is None


def progress(step: int, **losses: float | None) -> Progress:
    return Progress(
        time=0,
        step=step,
        epoch=step / 10,
        seconds=step,
        images_per_second=1,
        losses=losses,
        gradient_norms={},
    )


def quick(step: int, fd: float | None) -> QuickDistance:
    return QuickDistance(time=0, step=step, epoch=step / 10, fd=fd, samples=9, extractor_digest="0")


def log(*events: Event, name: str = "VAE", run: str = "r") -> RunLog:
    return RunLog(name, run, "#112233", events)


def test_distance_curves_leave_out_what_a_resume_took_back_and_what_was_not_finite() -> None:
    figure = training_curves.distances(
        [log(quick(10, 9.0), quick(20, 99.0), Resumed(step=10, file="f"), quick(20, 4.0), quick(30, None))]
    )
    assert list(figure.data[0].x) == [1.0, 2.0] and list(figure.data[0].y) == [9.0, 4.0]
    assert training_curves.distances([log(progress(1, g=1.0))]) is None


def test_quality_by_seconds_lies_between_the_floor_and_a_blur() -> None:
    steps = [progress(10), progress(20), progress(40)]  # a second a step
    history = log(*steps, quick(10, 100.0), quick(20, 10.0), quick(30, None), quick(40, 0.5))
    figure = training_curves.quality_by_seconds([model(measured())], [history])
    assert list(figure.data[0].x) == [10.0, 20.0, 40.0]
    assert list(figure.data[0].y) == pytest.approx([0.0, 0.5, 1.0])


def test_without_the_distance_of_a_blur_there_is_no_quality_by_seconds() -> None:
    bare = model(made_results(fd=Metric(value=10.0, floor=1.0), fd_of_noise=100.0))
    assert training_curves.quality_by_seconds([bare], [log(progress(10), quick(10, 10.0))]) is None


def test_losses_have_a_panel_a_model_and_a_line_a_loss() -> None:
    figure = training_curves.losses(
        [log(progress(1, d=1.0, g=2.0), progress(2, d=None, g=3.0), name="GAN"), log(progress(1, kl=5.0))]
    )
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines["d"].y) == [1.0] and list(lines["g"].y) == [2.0, 3.0]
    assert lines["d"].xaxis == lines["g"].xaxis != lines["kl"].xaxis
    assert lines["d"].line.dash != lines["g"].line.dash
    assert training_curves.losses([log()]) is None


def test_a_long_log_is_drawn_as_means_of_stretches() -> None:
    figure = training_curves.losses([log(*(progress(step, g=float(step % 2)) for step in range(4000)))])
    assert len(figure.data[0].y) == 400 and set(figure.data[0].y) == {0.5}


def test_a_loss_that_never_was_finite_is_an_empty_line() -> None:
    assert len(training_curves.losses([log(progress(1, g=None))]).data[0].y) == 0


def test_the_frontier_keeps_what_no_other_beats() -> None:
    assert charts.frontier([(1, 0.5), (2, 0.4), (3, 0.9), (1, 0.3)]) == [(1, 0.5), (3, 0.9)]


def test_quality_stands_against_seconds_a_sample() -> None:
    one = model(measured())
    edge, dot = charts.pareto([one, model(made_results("GAN"), name="GAN")]).data
    assert list(dot.x) == pytest.approx([1e-3]) and list(dot.y) == pytest.approx(
        [one.scores["quality"].value]
    )
    assert list(edge.x) == pytest.approx([1e-3])
    assert charts.pareto([model(made_results())]) is None


def test_names_from_files_cannot_act_as_markup() -> None:
    evil = Model("<a href='x'>", "#112233", (measured("<a href='x'>"),))
    for figure in (charts.radar([evil]), charts.heatmap([evil]), charts.bars([evil]), charts.pareto([evil]),
                   training_curves.losses([log(progress(1, **{"<a href=1>": 1.0}), name="<a href='x'>")]),
                   spheres.performance_space([spheres.place(evil, PARTS)], "own place")):  # fmt: skip
        assert "<a" not in str(figure.to_plotly_json())


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0"), (0.12345, "0.123"), (12345.0, "12,300"), (-2.0, "-2")]
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert charts.number(value) == shown
