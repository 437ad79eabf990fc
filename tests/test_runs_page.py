"""The page of all runs: every state, filters, comparison, copies, deletion, five hundred of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import visits
from browser.made_runs import config, four, measured, trained
from streamlit.testing.v1 import AppTest
from support import wait_until
from visits import checked, text_of, visit

from dashboard.data import run_catalog
from dashboard.data.processes import Jobs
from dashboard.views import runs_table
from gencore.config import commands
from gencore.config.options import PRESETS
from gencore.data.sources import ImageData
from gencore.store import events
from gencore.store.events import QuickDistance, Resumed
from gencore.store.runs import RunBusyError, run


def table(app: AppTest) -> list[str]:
    return app.main.dataframe[0].value["run"].tolist()


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.main.button]


def test_without_runs_the_page_says_what_to_do(home: Path) -> None:
    app = visit("runs")
    assert "press **Start**" in text_of(app) and not app.main.dataframe


def test_every_run_is_a_row_with_its_known_values(home: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    trained(home, "digits-gan", config("gan", epochs=2), until=0.5, end=None)
    trained(home, "bad", config("vae")).config_path.write_text("{")
    rows = visit("runs").main.dataframe[0].value.set_index("run")
    assert rows["state"].to_dict() == {"digits-vae": "finished", "digits-gan": "died", "bad": "unreadable"}
    vae = rows.loc["digits-vae"]
    assert (vae["model"], vae["data"], vae["epochs"], vae["seed"]) == ("VAE", "digits", 4, 42)
    over_floor = run("digits-vae").load_results().value("fd_over_floor")  # the mean over extractors
    assert vae["÷ floor"] == pytest.approx(over_floor) and over_floor < vae["fd"] / 2.0
    assert len(vae["training curve"]) == 5
    assert vae["MiB"] == run_catalog.bytes_on_disk(run("digits-vae")) / 2**20 > 0
    assert rows["fd"].isna().to_dict() == {"digits-vae": False, "digits-gan": True, "bad": True}
    assert vae["samples"].startswith("data:image/png;base64,")


def test_filters_narrow_the_list_and_come_from_the_address(home: Path) -> None:
    four(home, "mnist")
    trained(home, "digits-gan", config("gan"), end="stopped")
    app = visit("runs", text="GAN", state="finished")
    assert set(table(app)) == {"mnist-gan", "mnist-cgan"}
    app.main.multiselect(key="model").set_value(["cGAN"]).run()
    assert table(checked(app)) == ["mnist-cgan"]
    app.main.multiselect(key="data").set_value(["digits"]).run()
    assert "Remove a filter" in text_of(checked(app))


def test_runs_in_the_address_are_compared_line_by_line_what_differs_first(home: Path) -> None:
    trained(home, "one", config("vae", epochs=3))
    trained(home, "two", config("gan", epochs=3))
    app = visit("runs", run=["one", "two"])
    differ, agree = (element.value for element in app.main.table)
    assert differ.loc["model.family", ["one", "two"]].tolist() == ["vae", "gan"]
    assert differ.loc["model.beta1", ["one", "two"]].tolist() == ["", "0.5"]
    assert "training.epochs" in agree.index and not set(differ.index) & set(agree.index)
    every = {f"{option.part}.{option.name}" for option in commands.options(PRESETS["gan"])}
    assert every <= set(differ.index) | set(agree.index)


def test_runs_with_the_same_options_are_reported_as_the_same(home: Path) -> None:
    for name in ("one", "two"):
        trained(home, name, config("vae"))
    assert "all options are the same" in text_of(visit("runs", run=["one", "two"]))


@pytest.mark.parametrize(
    ("end", "button"), [("stopped", "Resume"), ("failed", "Resume"), (None, "Resume"), ("finished", None)]
)
def test_a_run_can_be_resumed_where_that_makes_sense(home: Path, end: str | None, button: str | None) -> None:
    trained(home, "mine", config("vae"), end=end)
    assert ("Resume" in labels(visit("runs", run=["mine"]))) == (button == "Resume")


def test_resume_goes_on_with_the_run_and_stop_ends_it(home: Path, jobs: Jobs) -> None:
    mine = trained(home, "mine", PRESETS["vae"], end="stopped")
    app = visit("runs", run=["mine"])
    app.main.button(key="runs.resume.mine").click().run()
    wait_until(lambda: mine.process() is not None and "ready" in mine.log_path.read_text())
    assert "'--resume'" in mine.log_path.read_text()
    app.run()
    checked(app.main.button(key="runs.stop.mine").click().run())
    wait_until(lambda: mine.process() is None)
    assert mine.status() == "stopped"


def test_duplicate_puts_all_options_of_a_run_into_the_form(home: Path) -> None:
    plan = config("ddpm", epochs=7)
    plan = plan.model_copy(update={"model": plan.model.model_copy(update={"timesteps": 50, "clusters": 12})})
    trained(home, "mine", plan)
    app = visit("runs", run=["mine"])
    app.main.button(key="runs.duplicate.mine").click().run()
    words = checked(app).sidebar.code[0].value.split()
    asked = commands.train(words[2], words[4], plan)
    assert words == ["gencore", *asked] and "--timesteps" in words


def test_an_unreadable_run_says_why_and_offers_no_copy(home: Path) -> None:
    trained(home, "bad", config("vae")).config_path.write_text('{"model": {"family": "<img src=x>"}}')
    app = visit("runs", run=["bad"])
    assert "is not readable as RunConfig" in text_of(app)
    assert "Duplicate" not in labels(app) and "Delete …" in labels(app)


def test_a_report_needs_measured_runs_of_one_data_set(home: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    measured(home, "mnist-vae", config("vae", "mnist"), 0.5)
    trained(home, "plain", config("gan"))
    disabled = {
        names: visit("runs", run=list(names)).main.button(key="runs.export.html").disabled
        for names in (("digits-vae", "plain"), ("plain",), ("digits-vae", "mnist-vae"))
    }
    assert list(disabled.values()) == [False, True, True]


@pytest.mark.parametrize("ending", [".html", ".zip"])
def test_a_report_of_the_selected_runs_can_be_downloaded(home: Path, ending: str) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    app = visit("runs", run=["digits-vae"])
    assert not app.main.get("download_button")
    app.main.button(key=f"runs.export{ending}").click().run()
    [offered] = checked(app).main.get("download_button")
    assert offered.proto.label.startswith(f"Download digits-vae{ending}")


def test_a_model_card_and_an_onnx_file_need_a_single_run(home: Path) -> None:
    for name in ("one", "two"):
        trained(home, name, config("vae"))
    keys = ("runs.export.md", "runs.export.onnx")
    disabled = {
        names: [visit("runs", run=list(names)).main.button(key=key).disabled for key in keys]
        for names in (("one",), ("one", "two"))
    }
    assert disabled == {("one",): [False, True], ("one", "two"): [True, True]}  # none has weights


def test_the_card_and_the_network_of_a_run_can_be_downloaded(home: Path, few_digits: ImageData) -> None:
    mine = visits.trained(home, "vae", few_digits, "mine")
    app = visit("runs", run=["mine"])
    app.main.button(key="runs.export.md").click().run()
    [offered] = checked(app).main.get("download_button")
    assert offered.proto.label.startswith("Download mine.md")
    app.main.button(key="runs.export.onnx").click().run(timeout=240)
    [offered] = checked(app).main.get("download_button")
    assert offered.proto.label.startswith("Download mine.onnx")
    mine.weights_path.write_bytes(b"rubbish")
    app.run(timeout=240)
    assert "is not a checkpoint" in text_of(checked(app)) and not app.main.get("download_button")


# ---------------------------------------------------------------- deletion


def whole_text(app: AppTest) -> str:
    """With the dialog, which stands beside the page."""
    return "\n".join(
        element.value for kind in ("markdown", "caption", "warning", "error") for element in app.get(kind)
    ).replace("\\", "")


def asked_to_delete(*names: str) -> AppTest:
    app = visit("runs", run=list(names))
    return checked(app.main.button(key="runs.delete").click().run())


def test_deleting_asks_first_and_names_what_goes(home: Path) -> None:
    doomed = trained(home, "doomed", config("vae"))
    (doomed.results / "shipped").touch()
    said = whole_text(asked_to_delete("doomed"))
    assert "doomed" in said and "MiB" in said and "git checkout -- results/doomed checkpoints/doomed" in said
    assert doomed.exists


def test_a_running_run_is_not_offered_for_deletion(home: Path) -> None:
    mine = trained(home, "mine", config("vae"), until=0.5, end=None)
    with mine.claim():
        app = asked_to_delete("mine")
    assert "Stop it first" in whole_text(app) and app.button(key="runs.delete.yes").disabled


def delete_mine() -> None:
    from dashboard.data import run_catalog
    from dashboard.views import runs_delete
    from gencore.store.runs import run

    runs_delete.delete([run_catalog.entry(run("mine"))])


def test_a_folder_that_is_no_longer_a_run_is_not_deleted_and_the_page_says_why(
    home: Path, jobs: Jobs
) -> None:
    mine = trained(home, "mine", config("vae"))
    mine.config_path.unlink()
    (mine.results / "notes.txt").write_text("mine")
    app = checked(AppTest.from_function(delete_mine, default_timeout=30).run())
    [error] = app.error
    assert "is not of a run" in error.value.replace("\\", "")
    assert (mine.results / "notes.txt").exists()


def test_a_deleted_run_leaves_nothing_and_its_name_is_free(home: Path, jobs: Jobs) -> None:
    doomed, kept = trained(home, "doomed", PRESETS["vae"]), trained(home, "kept", config("vae"))
    doomed.checkpoints.mkdir(parents=True, exist_ok=True)
    jobs.delete(doomed)
    assert not doomed.results.exists() and not doomed.checkpoints.exists() and kept.exists
    jobs.start(doomed, commands.train("vae", "doomed", PRESETS["vae"]))
    wait_until(lambda: doomed.process() is not None)


def test_a_run_that_is_starting_or_running_is_not_deleted(home: Path, jobs: Jobs) -> None:
    mine = trained(home, "mine", PRESETS["vae"], end="stopped")
    jobs.start(mine, commands.resume("mine", PRESETS["vae"]))
    with pytest.raises(RunBusyError, match="stop it first"):
        jobs.delete(mine)
    wait_until(lambda: mine.process() is not None)
    for keeper in (jobs, Jobs()):  # another server knows it by its files alone
        with pytest.raises(RunBusyError, match="stop it first"):
            keeper.delete(mine)
    assert mine.exists


# ---------------------------------------------------------------- logs in short


def test_a_trace_leaves_out_what_a_resume_took_back_and_lines_that_are_no_events(home: Path) -> None:
    mine = run("mine")
    mine.create(PRESETS["vae"])
    for event in (
        _distance(1, 9.0),
        _distance(2, 5.0),
        Resumed(step=1, file="f"),
        _distance(2, None),
        _distance(3, 4.0),
    ):
        events.append(mine.events_path, event)
    with mine.events_path.open("ab") as log:
        log.write(b'{"type":"quick_distance","step":"x"}\n{"type":"quick_distance","time":1,"st')
    assert run_catalog.trace(mine).distances == (9.0, 4.0)
    assert run_catalog.trace(mine).newest == events.last(mine.events_path)


def _distance(step: int, fd: float | None) -> QuickDistance:
    return QuickDistance(step=step, epoch=step, fd=fd, samples=10, extractor_digest="0")


def test_a_sheet_that_leads_out_of_the_run_is_not_shown(home: Path) -> None:
    mine = run("mine")
    mine.create(PRESETS["vae"])
    (home / "results" / "secret.png").write_bytes(b"x")
    events.append(mine.events_path, events.Sheet(step=1, epoch=1, file="../secret.png"))
    assert run_catalog.newest_sheet(mine) is None


# ---------------------------------------------------------------- many


@pytest.fixture
def many(home: Path) -> Path:
    """Five hundred runs with logs of a length as trainings on MNIST leave them."""
    for made in four(home):
        lines = made.events_path.read_bytes().splitlines(keepends=True)
        middle = [line for line in lines if b'"progress"' in line]
        made.events_path.write_bytes(b"".join([lines[0], *(700 // len(middle)) * middle, *lines[1:]]))
        for copy in range(125):
            shutil.copytree(made.results, home / "results" / f"{made.name}-{copy}", copy_function=os.link)
        shutil.rmtree(made.results)
    return home


def test_five_hundred_runs_are_listed_and_no_file_is_read_twice(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = _listing()
    assert len(frame) == 500 and frame["fd"].notna().all() and (frame["training curve"].map(len) == 5).all()
    read = run_catalog._load.cache_info().misses
    monkeypatch.setattr(events, "of_kinds", lambda *_: pytest.fail("a log was read again"))
    assert _listing().equals(frame) and run_catalog._load.cache_info().misses == read


def _listing() -> pd.DataFrame:
    entries = run_catalog.generative_runs()
    return runs_table.listing(entries, {one.run.name: one.run.status() for one in entries})
