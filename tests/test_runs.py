"""A run on disk: names, claims, identity of processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import wait_until

from gencore.config.options import PRESETS
from gencore.store import events, results
from gencore.store.events import Ended, Notice
from gencore.store.runs import (
    NotARunError,
    Run,
    RunBusyError,
    RunExistsError,
    all_runs,
    comparisons_folder,
    run,
)

HOLDER = """
import sys, time
from pathlib import Path
from gencore.config.options import PRESETS
from gencore.store.runs import run
one = run("x", Path(sys.argv[1]))
with one.claim():
    if not one.exists:
        one.create(PRESETS["vae"])
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has claimed and created the run `x`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any run."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def created(folder: Path, name: str = "x") -> Run:
    one = run(name, folder)
    one.create(PRESETS["vae"])
    return one


def end(one: Run, status: str) -> None:
    events.append(one.events_path, Ended(status=status, reason="r", step=1, seconds=1, peak_memory_mib=1))


@pytest.mark.parametrize("name", ["x", "mnist-vae", "a.b_c-D9", "9", "x" * 64])
def test_an_ordinary_name_is_allowed(tmp_path: Path, name: str) -> None:
    assert run(name, tmp_path).results == tmp_path / "results" / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/a",
        "a/b",
        "a\\b",
        "a\0",
        "a\n",
        "a b",
        ".hidden",
        "-x",
        "a.",
        "é",
        "x" * 65,
        "x" * 300,
        "CON",
        "con.txt",
        "Aux",
        "lpt1",
        "$(touch y)",
        "a;b",
        "<b>",
        "~",
        "%2e%2e",
    ],
)
def test_a_name_off_the_allow_list_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; use 1 to 64 letters") as refusal:
        run(name, tmp_path)
    assert "\n" not in str(refusal.value) and "\0" not in str(refusal.value) and len(str(refusal.value)) < 250


@pytest.mark.parametrize("kind", ["results", "checkpoints"])
def test_a_link_that_leads_out_of_the_folder_is_refused_by_its_resolved_path(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home" / kind).mkdir(parents=True)
    (tmp_path / "home" / kind / "x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads out of"):
        run("x", tmp_path / "home")


def test_a_home_folder_that_is_itself_a_link_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert created(tmp_path / "link").config() == PRESETS["vae"]


def test_a_name_that_is_taken_is_refused_and_the_first_config_stays(tmp_path: Path) -> None:
    one = created(tmp_path)
    with pytest.raises(RunExistsError, match="--resume, --overwrite or another --name"):
        one.create(PRESETS["gan"])
    assert one.config() == PRESETS["vae"]


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run named x"):
        run("x", tmp_path).config()


def test_a_config_with_an_unknown_key_or_a_value_out_of_bounds_is_named(tmp_path: Path) -> None:
    one = created(tmp_path)
    content = json.loads(one.config_path.read_text())
    content["training"]["epoch"] = 3
    one.config_path.write_text(json.dumps(content))
    with pytest.raises(
        results.UnreadableError, match=r"config\.json.*unknown key epoch; known keys: epochs, steps"
    ):
        one.config()
    del content["training"]["epoch"]
    content["training"]["epochs"] = 0
    one.config_path.write_text(json.dumps(content))
    with pytest.raises(
        results.UnreadableError, match=r"training\.epochs: .*greater than or equal to 1 \(got 0\)"
    ):
        one.config()
    assert one.status() == "unreadable"


def test_status_follows_from_the_last_event(tmp_path: Path) -> None:
    one = created(tmp_path)
    assert one.status() == "new"
    events.append(one.events_path, Notice(text="training"))
    assert one.status() == "died"
    for status in ("finished", "stopped", "diverged", "failed"):
        end(one, status)
        assert one.status() == status
    with one.claim():
        assert one.status() == "running"
        end(one, "finished")
        assert one.status() == "evaluating"
    assert one.status() == "finished"


def test_a_run_held_by_another_process_is_busy_and_says_running(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    one = run("x", tmp_path)
    assert one.status() == "running" and one.process().pid == holder.pid
    with pytest.raises(RunBusyError, match="training or measuring"), one.claim():
        pass
    assert one.process().pid == holder.pid, "the refused claim took the holder's place"


def test_after_kill_9_the_run_has_died_and_its_stale_lock_is_no_hindrance(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    one = run("x", tmp_path)
    events.append(one.events_path, Notice(text="training"))
    (one.checkpoints / ".step-00000001.safetensors.abc.partial").write_bytes(b"torn")
    holder.kill()
    holder.wait()
    assert (
        one.status() == "died"
        and (one.results / "process.json").exists()
        and (one.results / ".lock").exists()
    )
    assert one.stop() is False
    with one.claim():
        assert one.process().pid == os.getpid()
        assert list(one.checkpoints.iterdir()) == [], "what the killed process left half-written"
    assert one.process() is None


def test_a_process_that_ended_but_was_not_waited_for_is_not_running(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    one = run("x", tmp_path)
    holder.kill()
    wait_until(lambda: psutil.Process(holder.pid).status() == psutil.STATUS_ZOMBIE)
    assert one.process() is None and one.status() == "new"


def test_a_stranger_that_was_given_the_process_id_is_not_running_and_never_signalled(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    one = created(tmp_path)
    events.append(one.events_path, Notice(text="training"))
    born = psutil.Process(stranger.pid).create_time()
    claim = one.results / "process.json"
    claim.write_text(json.dumps({"pid": stranger.pid, "started": born - 100}))
    assert one.process() is None and one.status() == "died"
    assert one.stop(patience_seconds=0.1) is False
    time.sleep(0.1)
    assert stranger.poll() is None
    claim.write_text(json.dumps({"pid": stranger.pid, "started": born}))
    assert one.process().pid == stranger.pid, (
        "with the right start time it would be ours, so this test shows something"
    )


@pytest.mark.parametrize(
    "content", ["", "{", '{"pid": "x"}', '{"pid": 4194305, "started": 1}', '{"pid": -1, "started": 1}']
)
def test_a_claim_that_names_no_process_is_no_claim(tmp_path: Path, content: str) -> None:
    one = created(tmp_path)
    (one.results / "process.json").write_text(content)
    assert one.process() is None and one.status() == "new" and one.stop() is False


def test_stop_asks_first_and_then_makes_a_process_end(tmp_path: Path) -> None:
    stubborn = HOLDER.replace(
        "import sys", "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport sys", 1
    )
    for program, code, patience in ((HOLDER, -signal.SIGTERM, 120), (stubborn, -signal.SIGKILL, 1)):
        with subprocess.Popen(
            [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "held\n"
            stopper = (
                "import sys; from pathlib import Path; from gencore.store.runs import run; "
                "sys.exit(run('x', Path(sys.argv[1])).stop(int(sys.argv[2])) - 1)"
            )
            start = time.monotonic()
            assert subprocess.run([sys.executable, "-c", stopper, tmp_path, str(patience)]).returncode == 0
            assert time.monotonic() - start < 60, "it waited for a process that had ended"
            assert process.wait(timeout=5) == code


def test_clearing_a_run_leaves_the_lock_the_claim_and_the_log(tmp_path: Path) -> None:
    one = created(tmp_path)
    end(one, "finished")
    (one.results / "sheets").mkdir()
    (one.results / "sheets" / "a.png").write_bytes(b"x")
    (one.checkpoints / "final.safetensors").write_bytes(b"x")
    one.log_path.write_text("what this process printed")
    with one.claim():
        one.clear()
        assert {path.name for path in one.results.iterdir()} == {".lock", "process.json", "log.txt"}
        assert not one.exists and not one.checkpoints.exists()
        assert one.process().pid == os.getpid()
        one.create(PRESETS["gan"])
    assert one.config() == PRESETS["gan"] and one.status() == "new"


def test_all_runs_are_listed_newest_first_and_foreign_folders_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for age, name in enumerate(["newest", "middle", "oldest"]):
        one = created(tmp_path, name)
        os.utime(one.config_path, (1000 - age, 1000 - age))
    (tmp_path / "results" / "middle" / "config.json").write_text("{")
    os.utime(tmp_path / "results" / "middle" / "config.json", (999, 999))
    (tmp_path / "results" / "not a run").mkdir()
    (tmp_path / "results" / "not a run" / "config.json").write_text("{}")
    (tmp_path / "results" / "empty").mkdir()
    listed = all_runs(tmp_path)
    assert [(one.name, one.status()) for one in listed] == [
        ("newest", "new"),
        ("middle", "unreadable"),
        ("oldest", "new"),
    ]
    assert "not a run" in capsys.readouterr().err


# ---------------------------------------------------------------- what is not of a run stays


@pytest.mark.parametrize("kind", ["results", "checkpoints"])
def test_a_folder_without_a_config_is_neither_taken_cleared_nor_deleted(tmp_path: Path, kind: str) -> None:
    precious = tmp_path / kind / "x" / "mnist-2-epochs.json"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    one = run("x", tmp_path)
    for act in (lambda: one.create(PRESETS["vae"]), one.delete):
        with pytest.raises(NotARunError, match=r"is not of a run: it holds mnist-2-epochs\.json"):
            act()
    with one.claim(), pytest.raises(NotARunError, match="use another --name, or move it"):
        one.clear()
    assert precious.read_text() == "precious" and not one.exists


def test_what_a_start_that_failed_left_is_no_hindrance(tmp_path: Path) -> None:
    one = run("x", tmp_path)
    with one.claim():
        one.log_path.write_text("no such data set")
        (one.results / ".config.json.abc.partial").write_bytes(b"{")
    one.create(PRESETS["vae"])
    one.delete()
    assert not one.results.exists() and not one.checkpoints.exists()


def test_a_clearing_cut_short_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = created(tmp_path)
    end(one, "finished")
    real = Path.unlink

    def cut_short(path: Path, missing_ok: bool = False) -> None:
        if path == one.events_path:
            raise OSError("the power went")
        real(path, missing_ok)

    with one.claim():
        monkeypatch.setattr(Path, "unlink", cut_short)
        with pytest.raises(OSError, match="the power went"):
            one.clear()
        assert one.exists, "what is left would be no run's, and could not be cleared"
        monkeypatch.undo()
        one.clear()
        assert not one.exists


def test_no_run_can_have_the_folder_of_the_comparisons(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        run(comparisons_folder(tmp_path).name, tmp_path)
    results.save(comparisons_folder(tmp_path) / "config.json", PRESETS["vae"])
    assert all_runs(tmp_path) == []


# ---------------------------------------------------------------- one boundary per run


def break_as(fault: str, path: Path) -> None:
    """Put something in the place of `path` that is not the file it should be."""
    path.unlink(missing_ok=True)
    match fault:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)


@pytest.mark.parametrize("file", ["config.json", "events.jsonl"])
@pytest.mark.parametrize("fault", ["folder", "pipe", "endless"])
def test_a_run_whose_file_is_none_is_unreadable_with_the_reason_and_the_others_go_on(
    tmp_path: Path, file: str, fault: str
) -> None:
    created(tmp_path, "good")
    broken = created(tmp_path, "broken")
    break_as(fault, broken.results / file)
    states = {one.name: one.state() for one in all_runs(tmp_path)}
    assert states["good"] == ("new", None) and states["broken"].status == "unreadable"
    assert str(broken.results / file) in states["broken"].reason


@pytest.mark.parametrize("fault", ["folder", "pipe", "loop"])
def test_a_claim_that_is_no_file_is_no_claim(tmp_path: Path, fault: str) -> None:
    one = created(tmp_path)
    break_as(fault, one.results / "process.json")
    assert one.process() is None and one.status() == "new"


@pytest.mark.parametrize("time", [1e300, -1e18, -1.0, float("inf"), float("nan"), "yesterday"])
def test_an_event_out_of_time_is_an_unreadable_line(tmp_path: Path, time: object) -> None:
    one = created(tmp_path)
    end(one, "finished")
    with one.events_path.open("a") as log:
        log.write(json.dumps({"type": "notice", "text": "x", "time": time}) + "\n")
    assert events.tail(one.events_path).unreadable == 1 and one.status() == "finished"


# ---------------------------------------------------------------- clocks


def test_a_training_goes_on_running_and_can_be_stopped_after_the_clock_was_set(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """As seen by a process that finds the boot an hour away from where the claim was made."""
    one = run("x", tmp_path)
    claim = one.results / "process.json"
    claimed = json.loads(claim.read_text())
    claim.write_text(json.dumps(claimed | {"started": claimed["started"] + 3600}))
    assert one.process().pid == holder.pid and one.status() == "running"
    assert one.stop(patience_seconds=60) and holder.wait(timeout=5) == -signal.SIGTERM


def test_the_same_tick_of_another_boot_is_another_process(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    one = run("x", tmp_path)
    claim = one.results / "process.json"
    claimed = json.loads(claim.read_text())
    for other in ({"boot": "another"}, {"ticks": claimed["ticks"] + 1}):
        claim.write_text(json.dumps(claimed | other))
        assert one.process() is None and one.stop() is False
    claim.write_text(json.dumps(claimed))
    assert one.process().pid == holder.pid


def test_with_the_boot_time_itself_an_hour_off_a_training_shows_as_running(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """In a mount namespace whose /proc/stat has another boot time."""
    stat = Path("/proc/stat").read_text()
    [btime] = [int(line.split()[1]) for line in stat.splitlines() if line.startswith("btime")]
    (tmp_path / "stat").write_text(stat.replace(f"btime {btime}", f"btime {btime - 3600}"))
    inside = (
        "import sys, psutil; from pathlib import Path; from gencore.store.runs import run; "
        "one = run('x', Path(sys.argv[1])); print(int(psutil.boot_time()), one.status(), one.stop(60))"
    )
    script = f'mount --bind "{tmp_path}/stat" /proc/stat && exec "$0" -c "{inside}" "{tmp_path}"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable], capture_output=True, text=True, timeout=120
    )
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"this machine allows no mount namespace: {done.stderr}")
    assert done.stdout.split() == [str(btime - 3600), "running", "True"], done.stderr
    assert holder.wait(timeout=5) == -signal.SIGTERM


# ---------------------------------------------------------------- stopping


def test_a_run_asked_to_stop_says_so_at_once_and_is_asked_only_once(tmp_path: Path) -> None:
    counting = HOLDER.replace(
        "import sys, time",
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', file=sys.stderr, flush=True))",
    ).replace("time.sleep(600)", "[time.sleep(0.1) for _ in range(6000)]")
    with subprocess.Popen(
        [sys.executable, "-c", counting, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        one = run("x", tmp_path)
        assert one.request_stop() and one.status() == "stopping"
        assert process.stderr.readline() == "asked\n"
        assert one.request_stop() and one.status() == "stopping"
        assert one.stop(patience_seconds=0.5)
        assert process.wait(timeout=10) == -signal.SIGKILL and process.stderr.read() == ""
    assert one.status() == "new" and one.request_stop() is False
    with one.claim():
        assert one.status() == "running", "the mark was of the process before"
