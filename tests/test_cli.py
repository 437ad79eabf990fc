"""The command line: exit codes, one line for bad input, signals, and figures as strict JSON."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import torch
from PIL import Image
from support import Result, made_results, record, tiny_config, wait_until

from gencore.analysis.comparison import compare
from gencore.cli.parsing import parse
from gencore.config.datasets import DATASETS
from gencore.config.options import HEADLINE, PRESETS
from gencore.config.options import QUICK as QUICK_PRESETS
from gencore.data.sources import ImageData
from gencore.evaluation import controllability, cost
from gencore.models.load import newest_states
from gencore.store import events
from gencore.store.checkpoints import load_checkpoint
from gencore.store.events import Ended, Progress, Started
from gencore.store.results import save
from gencore.store.runs import run

Gencore = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

QUICK = "--dataset digits --batch-size 500 --fd-every 0 --sheets 0 --precision float32 --threads 1".split()
VAE = [*"train vae-mlp --latent-dim 4 --prior normal --epochs 2".split(), *QUICK]
ENDLESS = [*VAE, "--epochs", "100000", "--checkpoint-every", "100000", "--name", "x"]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def last_line(text: str) -> str:
    assert "Traceback" not in text, text
    return text.strip().splitlines()[-1]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "train"),
        ("nosuch", "train"),
        ("nosuch --epochs 3", "unknown command 'nosuch'; commands: train, distill"),
        ("train nosuch", "vae"),
        ("train vae --dataset nosuch", "emnist-digits"),
        ("train", "gencore train needs one of: vae, gan, cgan, ddpm"),
        ("train vae --epochs", "--epochs needs a value (INT)"),
        ("train vae --patience x", "--patience is 'x'; give a whole number"),
        ("compare --gan.width 12", "--gan.width: Input should be a multiple of 8 (got 12)"),
        ("compare --ddpm.standardis", "perhaps you meant --ddpm.standardise"),
        ("sample", "RUN is missing"),
        ("steps x --counts 2 many", "--counts is '2 many'; give a whole number"),
        ("evaluate x --metrics nosuch", "--metrics is 'nosuch'; use distances"),
        ("train vae --nosuch 3", "--nosuch"),
        ("train vae --epochs 0", "greater than or equal to 1"),
        ("train vae --epochs many", "--epochs is 'many'; give a whole number"),
        ("train vae --epoch 3", "perhaps you meant --epochs"),
        ("train vae --learning-rate -1", "greater than 0"),
        ("train vae --width 12", "multiple of 8"),
        ("train vae --patience 1 --fd-every 0", "set fd_every to 1 or more"),
        ("train vae --dataset digits --patience 1", "gencore features digits"),
        ("train vae --dataset digits --batch-size 2000", "use 1 to 1500"),
        ("train ddpm --timesteps 10 --sampling-steps 11", "lower sampling_steps"),
        ("train ddpm --beta-start 0.5 --beta-end 0.1", "swap them"),
        ("train ddpm --prediction flow", "use sampler ddim"),
        ("train vae --dataset digits --name ../x", "is not allowed"),
        ("train vae --dataset digits --name a\0", "is not allowed"),
        ("train vae --dataset digits --name CON", "is not allowed"),
        ("train vae --dataset digits --name " + "x" * 300, "is not allowed"),
        ("train vae --dataset digits --device nosuch", "use auto, cpu or cuda"),
        ("train vae --dataset digits --threads 0", "use 1 or more"),
        ("compare --dataset digits --samples 1", "--samples is 1"),
        ("compare --dataset digits --seeds 0", "--seeds is 0; use 1 to 100"),
        ("compare --dataset digits --epochs 0", "greater than or equal to 1"),
        ("evaluate", "at least one run"),
        ("evaluate nosuch", "no run named nosuch"),
        ("evaluate nosuch --samples 0", "--samples is 0"),
        ("sample nosuch", "no run named nosuch"),
        ("sample ../x", "is not allowed"),
        ("sample x --out x.gif", ".npz"),
        ("sample x --count 0", "--count is 0"),
        ("reconstruct nosuch", "no run named nosuch"),
        ("interpolate nosuch", "no run named nosuch"),
        ("interpolate x --from 3", "give both, or neither"),
        ("interpolate x --fron 3", "perhaps you meant --from"),
        ("interpolate x --steps 0", "--steps is 0; use 1 to 500"),
        ("interpolate x --method cubic", "use slerp, lerp"),
        ("interpolate x --out x.gif", "end it in .png"),
        ("stop nosuch", "no run named nosuch"),
        ("features nosuch", "kmnist"),
    ],
    ids=lambda value: value[:60].replace("\0", "NUL"),
)
def test_bad_input_is_one_line_that_names_what_is_allowed_code_2_and_nothing_written(
    gencore: Gencore, home: Path, words: str, names: str
) -> None:
    result = gencore(*words.split(" ") if words else ())
    assert result.code == 2 and result.out == ""
    assert names in result.complaint
    assert list(home.iterdir()) == []


def test_a_data_set_that_is_not_there_without_a_network_is_an_error_with_the_ways_out(
    gencore: Gencore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCORE_DATA_MIRROR", "http://127.0.0.1:9/nothing-listens-here")
    result = gencore("train", "vae", "--name", "x")
    assert result.code == 2 and "Traceback" not in result.err
    for way_out in ("train-images-idx3-ubyte.gz", "--data-dir", "GENCORE_DATA", "--dataset digits"):
        assert way_out in result.err
    assert not (home / "results").exists() and not (home / "checkpoints").exists() and files(home) == []


def test_the_name_of_a_run_that_exists_is_refused_unless_it_is_resumed_or_overwritten(
    gencore: Gencore, home: Path
) -> None:
    one = run("x")
    assert gencore(*VAE, "--name", "x").code == 0
    before = {path: path.read_bytes() for path in files(home)}
    for words, names in (
        (VAE, "a run named x exists; use --resume, --overwrite or another --name"),
        ([*VAE, "--resume"], "run x has finished"),
        ([*VAE, "--resume", "--seed", "7"], "another config: training.seed: 7 here, 42 there"),
    ):
        result = gencore(*words, "--name", "x")
        assert result.code == 2 and names in result.complaint
        assert {path: path.read_bytes() for path in files(home)} == before
    assert gencore(*VAE, "--name", "x", "--overwrite", "--seed", "7").code == 0
    assert one.config().training.seed == 7 and one.status() == "finished"
    assert sum(isinstance(event, Started) for event in events.tail(one.events_path).events) == 1


def test_a_config_with_an_unknown_key_is_named(gencore: Gencore, with_extractor: Path) -> None:
    path = run("vae").config_path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    for words in (("sample", "vae"), ("evaluate", "vae"), ("stop", "vae")):
        result = gencore(*words)
        assert (
            result.code == 2
            and "vae/config.json" in result.complaint
            and "unknown key colour; known keys: data" in result.complaint
        )


def test_a_damaged_checkpoint_is_named(gencore: Gencore, with_extractor: Path) -> None:
    path = run("vae").checkpoints / "final.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    for words in (("sample", "vae", "--out", with_extractor / "x.png"), ("evaluate", "vae")):
        result = gencore(*words)
        assert result.code == 2 and str(path) in result.complaint
    assert not (with_extractor / "x.png").exists() and not run("vae").results_path.exists()


def test_a_pickle_in_place_of_a_checkpoint_is_refused(gencore: Gencore, with_extractor: Path) -> None:
    path = run("vae").checkpoints / "final.safetensors"
    path.write_bytes(pickle.dumps({"model": [1, 2, 3]}))
    result = gencore("sample", "vae", "--out", with_extractor / "x.png")
    assert result.code == 2 and f"{path} is not a checkpoint" in result.complaint


def test_a_checkpoint_of_another_network_is_named(gencore: Gencore, with_extractor: Path) -> None:
    extractor_run = run("features-digits").checkpoints / "final.safetensors"
    path = run("vae").checkpoints / "final.safetensors"
    path.write_bytes(extractor_run.read_bytes())
    result = gencore("sample", "vae", "--out", with_extractor / "x.png")
    assert result.code == 2 and "checkpoint of run vae does not fit its config" in last_line(
        result.err.partition("\n")[0]
    )


def test_missing_features_and_missing_floors_are_named_with_the_command_that_makes_them(
    gencore: Gencore, with_extractor: Path
) -> None:
    extractor_run = run("features-digits")
    (extractor_run.results / "reference.json").rename(with_extractor / "reference.json")
    result = gencore("evaluate", "vae")
    assert (
        result.code == 2
        and "no floors for digits yet; run `gencore features digits --resume` first" in result.complaint
    )
    (extractor_run.checkpoints / "final.safetensors").unlink()
    result = gencore("evaluate", "vae")
    assert (
        result.code == 2
        and "no feature classifier for digits yet; run `gencore features digits` first" in result.complaint
    )
    assert not run("vae").results_path.exists()


def test_a_run_that_cannot_be_read_is_listed_with_the_reason_beside_the_others(
    gencore: Gencore, with_extractor: Path
) -> None:
    for name, file, content in (
        ("foreign-results", "results.json", '{"rows": []}'),
        ("broken-config", "config.json", '{"model": {"family": "vae"'),
        ("nan-results", "results.json", '{"run": NaN}'),
    ):
        run(name).create(run("vae").config())
        (run(name).results / file).write_text(content)
    result = gencore("runs", "--json")
    assert result.code == 0
    rows = {row["name"]: row for row in result.json}
    assert rows["vae"]["status"] == "finished" and rows["vae"]["model"] == "VAE" and rows["vae"]["step"] == 16
    for name, file in (
        ("foreign-results", "results.json"),
        ("broken-config", "config.json"),
        ("nan-results", "results.json"),
    ):
        assert rows[name]["status"] == "unreadable" and f"{name}/{file}" in rows[name]["problem"]
    assert gencore("runs").out.count("\n") == 1 + len(rows)


# ---------------------------------------------------------------- what is not of a run


@pytest.mark.parametrize("folder", ["comparisons", "_comparisons"])
def test_overwriting_a_folder_that_is_no_run_is_refused_and_what_is_in_it_stays(
    gencore: Gencore, home: Path, folder: str
) -> None:
    precious = home / "results" / folder / "mnist-2-epochs.json"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    for words in ([], ["--overwrite"], ["--resume"]):
        result = gencore(*VAE, "--name", folder, *words)
        assert result.code == 2 and (
            "is not of a run" in result.complaint or "not allowed" in result.complaint
        )
    assert files(home) == [precious] and precious.read_text() == "precious"


def test_migrate_moves_comparisons_once_and_leaves_everything_else(gencore: Gencore, home: Path) -> None:
    compared = compare({label: [made_results(label, fd=1.0)] for label in ("VAE", "GAN")})
    old = home / "results" / "comparisons"
    old.mkdir(parents=True)
    save(old / "a.json", compared)
    assert gencore("migrate").out == f"moved {old / 'a.json'} to {old.with_name('_comparisons') / 'a.json'}\n"
    assert files(home) == [home / "results" / "_comparisons" / "a.json"] and not old.exists()
    assert gencore("migrate").out == "nothing to migrate\n"
    run("comparisons").create(tiny_config("vae"))
    save(old / "a.json", compared)
    before = files(home)
    assert "exists; remove one of the two" in gencore("migrate").out and files(home) == before


# ---------------------------------------------------------------- systems


def test_windows_and_apple_gpus_are_refused_in_one_sentence(
    gencore: Gencore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = gencore(*VAE, "--device", "mps")
    assert result.code == 2 and "device mps is not supported" in result.complaint
    monkeypatch.setattr(sys, "platform", "win32")
    result = gencore("runs")
    assert result.code == 2 and "Windows is not supported" in result.complaint
    assert files(home) == []


# ---------------------------------------------------------------- faults in training


def test_a_hopeless_learning_rate_ends_with_code_3(gencore: Gencore, home: Path) -> None:
    result = gencore(*VAE, "--name", "x", "--learning-rate", "1e20", "--epochs", "50")
    assert (
        result.code == 3
        and "diverged" in last_line(result.err)
        and "lower the learning rate" in last_line(result.err)
    )
    assert run("x").status() == "diverged"


def test_an_output_folder_that_cannot_be_written_fails_before_the_first_step(
    gencore: Gencore, home: Path
) -> None:
    (home / "file").write_text("in the way")
    result = gencore(*VAE, "--name", "x", "--output-dir", home / "file" / "below")
    assert (
        result.code == 1 and "Not a directory" in result.complaint and str(home / "file") in result.complaint
    )
    assert files(home) == [home / "file"]


def test_a_full_disk_at_a_checkpoint_is_one_line_code_1_and_harms_no_file(
    gencore: Gencore, start: Start, home: Path
) -> None:
    one = run("x")

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start("-m", "gencore", *VAE, "--name", "x", "--checkpoint-every", "1", preexec_fn=fill_disk)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert f"failed, File too large: {one.checkpoints / 'step-00000003.safetensors'}" in last_line(err)
    assert list(one.checkpoints.iterdir()) == [] and one.status() == "failed"
    assert gencore(*VAE, "--name", "x", "--checkpoint-every", "1", "--resume").code == 0


def test_a_full_disk_at_the_event_log_ends_as_failed_with_the_reason(
    gencore: Gencore, start: Start, home: Path
) -> None:
    one = run("x")

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start("-m", "gencore", *ENDLESS, "--progress-every", "1", preexec_fn=fill_disk)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert f"failed, File too large: {one.events_path}" in last_line(err)
    log = events.tail(one.events_path)
    assert isinstance(log.events[-1], Ended) and log.unreadable == 0
    assert log.events[-1].reason == f"File too large: {one.events_path}" and one.status() == "failed"
    an_event = 1_000  # at most, of this training: the one that no longer fitted
    assert one.events_path.stat().st_size > 20_000 - events.Writer.ROOM - an_event


FULL = """
mount -t tmpfs -o size=64k tmpfs "$1/results" && mkdir "$1/results/x"
"$0" -m gencore {words} > "$1/results/x/log.txt" 2>&1
echo $?
"$0" -m gencore runs --json
tail -c 20000 "$1/results/x/events.jsonl" | grep '"ended"'
"""


def test_a_disk_without_a_free_byte_for_log_or_output_ends_as_failed(start: Start, home: Path) -> None:
    """A file system of 64 KiB, in a mount namespace; the detached training prints to it too."""
    (home / "results").mkdir()
    script = FULL.format(words=" ".join([*ENDLESS, "--progress-every", "1"]))
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable, str(home)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"this machine allows no mount namespace: {done.stderr}")
    code, rest = done.stdout.split("\n", 1)
    listed, ended = rest.rsplit("]", 1)
    assert code == "1" and json.loads(listed + "]")[0]["status"] == "failed"
    assert json.loads(ended)["reason"].startswith("No space left on device")


HUNGRY = """
import resource, sys
import psutil, sklearn.datasets, sklearn.model_selection, torchvision, tqdm
import gencore.training.loop
from gencore.cli.main import main
limit = psutil.Process().memory_info().vms + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main(sys.argv[1:])
"""


def test_want_of_memory_while_sampling_is_one_line_and_code_1(start: Start, with_extractor: Path) -> None:
    process = start(
        "-c",
        HUNGRY,
        100,
        "sample",
        "vae",
        "--count",
        "1000000",
        "--out",
        with_extractor / "x.npz",
        "--threads",
        "1",
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert last_line(err).startswith("gencore: out of memory") and "fewer images" in last_line(err)
    assert not (with_extractor / "x.npz").exists()


def test_want_of_memory_is_one_line_with_what_to_lower_and_code_1(start: Start, home: Path) -> None:
    words = ["train", "vae", *QUICK, "--batch-size", "1500", "--width", "128", "--name", "x"]
    process = start("-c", HUNGRY, 400, *words)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert "failed, out of memory" in last_line(err) and "lower --batch-size or --width" in last_line(err)
    assert run("x").status() == "failed"
    assert run("x").config().data.batch_size == 1500, "it changed the batch size in silence"


TWENTY_STARTS = """
import os, sys
import tqdm
import gencore.training.loop
from gencore.cli.main import main
from gencore.config.datasets import DATASETS
from gencore.data.sources import load
load(DATASETS["digits"], "train")  # with all imports, so that the children start at once
reading, writing = os.pipe()
children = []
for seed in range(20):
    if (child := os.fork()) == 0:
        os.close(writing)
        os.read(reading, 1)  # all wait here until the pipe is closed
        try:
            main([*sys.argv[1:], "--seed", str(seed)])
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)  # twenty interpreters that take themselves apart cost more than the test
    children.append(child)
os.close(writing)
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_of_twenty_starts_of_one_run_at_once_exactly_one_wins(start: Start, home: Path) -> None:
    out, err = start("-c", TWENTY_STARTS, *VAE, "--name", "x").communicate(timeout=300)
    codes = [int(code) for code in out.split()]
    assert Counter(codes) == {0: 1, 2: 19}, err
    one = run("x")
    log = events.tail(one.events_path)
    assert log.unreadable == 0 and Counter(event.type for event in log.events)["started"] == 1
    assert one.status() == "finished" and one.config().training.seed == codes.index(0)
    final = load_checkpoint(one.checkpoints / "final.safetensors")
    assert json.loads(final.metadata["config"])["training"]["seed"] == codes.index(0)
    assert (
        err.count("training or measuring run x") + err.count("a run named x exists") == 19
        and "Traceback" not in err
    )


# ---------------------------------------------------------------- signals


def in_training(start: Start, *words: str) -> subprocess.Popen[str]:
    process = start("-m", "gencore", *words)
    wait_until(lambda: isinstance(events.last(run("x").events_path), Progress), process)
    return process


def assert_stopped_in_order(reason: str) -> None:
    one = run("x")
    ended = events.last(one.events_path)
    assert isinstance(ended, Ended) and (ended.status, ended.reason) == ("stopped", reason)
    (state,) = newest_states(one)
    assert load_checkpoint(state).metadata["step"] == str(ended.step)
    assert one.status() == "stopped" and not (one.results / "process.json").exists()


def test_gencore_stop_ends_a_training_within_ten_seconds_with_a_checkpoint_and_code_143(
    start: Start, home: Path
) -> None:
    process = in_training(start, *ENDLESS)
    stopper = start("-m", "gencore", "stop", "x")
    assert stopper.communicate(timeout=120)[0] == "x stopped\n" and stopper.returncode == 0
    assert process.wait(timeout=1) == 143  # after ten seconds it would have been killed
    assert_stopped_in_order("stopped by SIGTERM")
    assert "stopped by SIGTERM" in last_line(process.stderr.read())


def test_ctrl_c_saves_a_checkpoint_and_ends_with_code_130(start: Start, home: Path) -> None:
    process = in_training(start, *ENDLESS)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert_stopped_in_order("stopped by Ctrl-C")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_busy_training_at_once(
    start: Start, home: Path, second: signal.Signals
) -> None:
    """Busy with a sheet of samples that takes minutes, in which nobody asks whether to stop."""
    slow = (
        "--timesteps 10000 --sampling-steps 10000 --sampler ddpm --width 16 --batch-size 8 --sheets 1000"
    ).split()
    process = in_training(start, "train", "ddpm", *QUICK, *slow, "--progress-every", "1", "--name", "x")
    time.sleep(0.5)  # its figures are told just before it asks whether to stop
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(second)
    assert process.wait(timeout=5) == -second
    assert run("x").status() == "died"


def test_a_training_that_is_running_can_be_neither_started_again_nor_overwritten(
    gencore: Gencore, start: Start, home: Path
) -> None:
    process = in_training(start, *ENDLESS)
    for words in ([], ["--resume"], ["--overwrite"]):
        result = gencore(*ENDLESS, *words)
        assert result.code == 2 and "training or measuring run x; `gencore stop x` first" in result.complaint
    assert process.poll() is None


def test_measuring_is_seen_by_others_keeps_them_out_and_can_be_stopped(
    gencore: Gencore, start: Start, with_extractor: Path
) -> None:
    process = start("-m", "gencore", "evaluate", "vae", "--threads", "1")
    wait_until(lambda: run("vae").status() == "evaluating", process)
    process.send_signal(signal.SIGSTOP)  # it cannot end by itself before it is stopped
    assert "training or measuring run vae" in gencore("evaluate", "vae").complaint
    Timer(1.5, process.send_signal, [signal.SIGCONT]).start()
    assert gencore("stop", "vae").out == "vae stopped\n"
    assert process.wait(timeout=30) == -signal.SIGTERM and run("vae").status() == "finished"
    assert not run("vae").results_path.exists()


# ---------------------------------------------------------------- what comes out


TINY_FOUR = (
    "--dataset digits --epochs 1 --batch-size 500 --samples 300 --threads 1 --vae.network mlp "
    "--vae.latent-dim 4 "
    "--gan.network mlp --cgan.network mlp --ddpm.width 16 --ddpm.timesteps 20 --ddpm.sampling-steps 1 "
    "--ddpm.guidance 1.0"
).split()


@pytest.fixture
def quick_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost from fewer repetitions, control from fewer samples: half the time of a test that compares."""
    monkeypatch.setattr(cost, "_TIMED_REPEATS", 2)
    monkeypatch.setattr(controllability, "PROBE_SAMPLES", 200)


@pytest.mark.usefixtures("quick_measuring")
def test_compare_trains_and_measures_all_four_on_every_seed_and_says_what_ties(
    gencore: Gencore, with_extractor: Path
) -> None:
    result = gencore("compare", *TINY_FOUR, "--seeds", "2", "--json")
    assert result.code == 0, result.err
    compared = result.json
    assert compared["seeds"] == [42, 43] and list(compared["runs"]) == ["VAE", "GAN", "cGAN", "DDPM"]
    assert compared["runs"]["GAN"] == ["digits-gan", "digits-gan-seed43"]
    for names in compared["runs"].values():
        assert [run(name).load_results().seed for name in names] == [42, 43]
    fds = [run(name).load_results().value("fd") for name in compared["runs"]["VAE"]]
    assert compared["rankings"]["fd"]["models"]["VAE"]["values"] == fds and fds[0] != fds[1]
    assert len(compared["rankings"]["fd"]["pairs"]) == 6
    assert json.loads((with_extractor / "results" / "_comparisons" / "digits.json").read_text()) == compared
    assert compared["diverged"] == {}
    said = compared["origin"]["command"] + " "
    asked = [
        f" {flag} {value} "
        for flag, value in zip(TINY_FOUR[::2], TINY_FOUR[1::2], strict=True)
        if flag != "--threads"
    ]
    assert [words for words in [*asked, " --seeds 2 "] if words not in said] == []
    of_43 = run("digits-gan-seed43").events_path
    events.append(of_43, Ended(status="diverged", reason="made up", step=3, seconds=1, peak_memory_mib=1))
    left = gencore("compare", *TINY_FOUR, "--seeds", "2", "--resume")
    assert (
        left.code == 3
        and "digits-gan-seed43 diverged" in left.err
        and "fewer than two seeds are left" in left.err
    )
    assert (
        json.loads((with_extractor / "results" / "_comparisons" / "digits.json").read_text()) == compared
    ), "one seed was compared"
    again = gencore("compare", *TINY_FOUR)
    assert again.code == 2 and "a run named digits-vae exists" in again.complaint
    measured = run("digits-vae").load_results().origins["evaluation"].unix_time
    table = gencore("compare", *TINY_FOUR, "--resume")
    assert run("digits-vae").load_results().origins["evaluation"].unix_time == measured, "measured twice"
    assert gencore("compare", *TINY_FOUR, "--resume", "--samples", "256").code == 0
    assert run("digits-vae").load_results().samples == 256, "results of other samples were taken for these"
    assert table.code == 0 and [line.split()[0] for line in table.out.splitlines()[1:5]] == [
        "digits-vae", "digits-gan", "digits-cgan", "digits-ddpm",
    ]  # fmt: skip


def test_a_quick_comparison_takes_the_quick_presets_and_no_model_options(
    gencore: Gencore, home: Path
) -> None:
    command = parse(["compare", "--quick", "--dataset", "digits", "--seed", "7"])
    for preset, quick in QUICK_PRESETS.items():
        config, expected = command._config(preset, 7, DATASETS["digits"]), PRESETS[quick]
        assert config.model == expected.model and config.data.dataset == "digits"
        assert config.training == expected.training.model_copy(update={"seed": 7}) and config.training.steps
        assert command._run(preset, 7).name == f"digits-{quick}"
    assert list(QUICK_PRESETS) == list(HEADLINE)
    assert command._words == ["compare", "--dataset", "digits", "--quick", "--seed", "7", "--seeds", "1"]
    refused = gencore("compare", "--quick", "--vae.width", "16")
    assert refused.code == 2 and "--quick has recipes of its own" in refused.err and not list(home.iterdir())


@pytest.mark.usefixtures("quick_measuring")
def test_a_training_that_diverges_leaves_the_others_to_be_compared(
    gencore: Gencore, with_extractor: Path
) -> None:
    words = [*TINY_FOUR, "--seeds", "2", "--gan.generator-learning-rate", "1e30"]
    result = gencore("compare", *words, "--json")
    assert result.code == 3 and "digits-gan diverged and is left out" in result.err
    assert list(result.json["runs"]) == ["VAE", "cGAN", "DDPM"] and result.json["diverged"] == {
        "GAN": [42, 43]
    }
    history = run("digits-gan").events_path.read_bytes()
    again = gencore("compare", *words, "--resume")
    assert again.code == 3 and "diverged: GAN on seed 42, 43" in again.out
    assert run("digits-gan").events_path.read_bytes() == history, "what diverged was trained again"


def test_a_reader_who_has_seen_enough_is_no_error(start: Start, home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start("-m", "gencore", "schema", stdout=writer)
    os.close(writer)
    assert process.wait(timeout=60) == 0 and process.stderr.read() == ""


def test_an_interrupted_run_resumed_from_the_command_line_equals_the_uninterrupted_one(
    gencore: Gencore, home: Path
) -> None:
    words = [*VAE, "--epochs", "3", "--checkpoint-every", "1"]
    assert gencore(*words, "--name", "whole").code == 0
    assert gencore(*words, "--name", "cut").code == 0
    cut = run("cut")
    (cut.checkpoints / "final.safetensors").unlink()
    lines = cut.events_path.read_bytes().splitlines(keepends=True)
    saved = next(i for i, line in enumerate(lines) if b"step-00000003.safetensors" in line)
    cut.events_path.write_bytes(b"".join(lines[: saved + 1]) + b'{"type": "progr')  # as after a power cut
    (cut.checkpoints / "step-00000006.safetensors").write_bytes(b"torn")
    result = gencore(*words, "--name", "cut", "--resume")
    assert (
        result.code == 0
        and "step-00000006.safetensors" in result.err
        and "taking the checkpoint before it" in result.err
    )
    whole, resumed = (
        load_checkpoint(run(name).checkpoints / "final.safetensors") for name in ("whole", "cut")
    )
    assert whole.digest == resumed.digest
    assert events.tail(cut.events_path).unreadable == 0


def test_evaluate_prints_and_writes_the_same_strict_json_with_an_origin(
    gencore: Gencore, with_extractor: Path
) -> None:
    result = gencore("evaluate", "vae", "--samples", 300, "--json")
    assert result.code == 0
    (found,) = result.json
    assert found == json.loads(run("vae").results_path.read_text())
    assert found["run"] == "vae" and found["dataset"] == "digits"
    assert found["checkpoint_digest"] == load_checkpoint(run("vae").checkpoints / "final.safetensors").digest
    assert found["metrics"]["fd"]["value"] > 0 and found["metrics"]["fd"]["floor"] > 0
    for name, metric in found["metrics"].items():
        assert (metric["value"] is None) == (metric["reason"] is not None), name
        assert metric["measured_in"] in found["origins"]
    assert found["metrics"]["conditional_accuracy"]["value"] is None
    assert gencore("runs", "--json").json[0]["fd"] is not None
    again = gencore("evaluate", "vae", "--samples", 300, "--json").json[0]
    assert again["metrics"]["fd"] == found["metrics"]["fd"]


def test_samples_are_written_as_arrays_of_bytes_with_the_labels_that_were_asked_for(
    gencore: Gencore, home: Path, few_digits: ImageData
) -> None:
    for name in ("cgan", "vae"):
        run(name).create(tiny_config(name, epochs=1))
        record(run(name), few_digits)
    out = home / "new folder" / "x.npz"
    assert gencore("sample", "cgan", "--count", 25, "--out", out).code == 0
    first = dict(np.load(out))
    assert first["images"].shape == (25, 28, 28) and first["images"].dtype == np.uint8
    assert first["labels"].tolist() == [i % 10 for i in range(25)]
    assert gencore("sample", "cgan", "--count", 25, "--out", out).code == 0
    assert (np.load(out)["images"] == first["images"]).all()
    assert gencore("sample", "cgan", "--count", 25, "--out", out, "--seed", 1).code == 0
    assert (np.load(out)["images"] != first["images"]).any()
    assert gencore("sample", "cgan", "--count", 4, "--out", out, "--class", 7).code == 0
    assert np.load(out)["labels"].tolist() == [7] * 4
    assert gencore("sample", "vae", "--count", 3, "--out", out).code == 0
    assert set(np.load(out)) == {"images"} and np.load(out)["images"].shape == (3, 28, 28)
    sheet = out.with_suffix(".png")
    assert gencore("sample", "vae", "--count", 25, "--out", sheet).code == 0
    assert Image.open(sheet).size == (10 * 28, 3 * 28)
    for words, names in (
        (["vae", "--digit", 3], "vae takes no labels"),
        (["cgan", "--digit", 10], "10 is no class of scikit-learn digits"),
        (["cgan", "--digit=-1"], "-1 is no class of scikit-learn digits"),
        (["vae", "--sampler", "ddim"], "VAE has no option sampler"),
        (["vae", "--guidance", 2], "VAE has no option guidance"),
    ):
        result = gencore("sample", *words, "--out", home / "refused.npz")
        assert result.code == 2 and names in result.complaint
    assert not (home / "refused.npz").exists()


def test_doctor_says_in_strict_json_what_is_at_hand(gencore: Gencore, with_extractor: Path) -> None:
    result = gencore("doctor", "--json", "--device", "cpu")
    assert result.code == 0
    facts = result.json
    assert (
        facts["kind"] == "cpu"
        and facts["datasets"]["digits"] == "bundled"
        and facts["datasets"]["mnist"] == "would be downloaded"
    )
    assert facts["features"] == {name: name == "digits" for name in facts["features"]}
    assert (
        facts["versions"]["torch"] == torch.__version__.partition("+")[0]
        or facts["versions"]["torch"] == torch.__version__
    )
    assert facts["threads"] == torch.get_num_threads()


def test_help_names_every_command_and_needs_no_torch(home: Path) -> None:
    program = (
        "import sys; from gencore.cli.main import main\ntry: main(['--help'])\nfinally: "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("False\n")
    for command in ("train", "compare", "evaluate", "sample", "features", "runs", "stop", "doctor", "schema"):
        assert command in done.stdout
