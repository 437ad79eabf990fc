"""Tables of the command line: plain columns in a pipe, rules and folded cells on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
from support import made_origin, made_results

from gencore.cli import tables
from gencore.evaluation.records import BudgetPoint, Budgets
from gencore.store.results import Metric

LONG = "word " * 40
ROWS: list[dict[str, object]] = [{"name": "a", "fd": 1.23456}, {"name": "[red]b[/red]", "note": LONG}]


def test_a_pipe_gets_plain_uncut_columns_with_a_dash_for_what_is_absent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.show(ROWS, ["name", "fd", "note"], empty="nothing")
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "fd", "note"] and first.split() == ["a", "1.235", "—"]
    assert second.split() == ["[red]b[/red]", "—", *LONG.split()]
    assert "\x1b" not in header + first + second


def test_a_cell_with_line_breaks_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show([{"problem": "torn\nfile\t."}], ["problem"], empty="nothing")
    assert capsys.readouterr().out.splitlines() == ["problem", "torn file ."]


def test_no_rows_print_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show([], ["name"], empty="no runs yet")
    assert capsys.readouterr().out == "no runs yet\n"


def test_results_show_the_mean_over_extractors_as_the_distance_over_its_floor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_three = Metric(value=3.5, floor=1.0, by_extractor={"residual": 4.0, "plain": 3.0})
    unusual = Metric(value=2.0, by_extractor={"plain": 2.0}, warning="by a single feature extractor")
    tables.show_results(
        [
            made_results("VAE", fd=Metric(value=8.0, floor=2.0), fd_over_floor=of_three),
            made_results("GAN", fd=Metric(value=8.0, floor=2.0)),
            made_results("DDPM", fd_over_floor=unusual),
        ]
    )
    header, *rows, note = capsys.readouterr().out.splitlines()
    columns = re.split(r"\s{2,}", header)
    assert columns.count("fd ÷ floor") == 1 and "fd_over_floor" not in columns
    shown = [dict(zip(columns, re.split(r"\s{2,}", row), strict=True)) for row in rows]
    assert [(row["fd"], row["fd ÷ floor"]) for row in shown] == [("8", "3.5"), ("8", "—"), ("—", "2")]
    assert note == "note on fd_over_floor: by a single feature extractor"


def test_budgets_have_a_row_a_run_and_budget_with_each_extractor(capsys: pytest.CaptureFixture[str]) -> None:
    points = [
        BudgetPoint(
            device_seconds=seconds,
            step=step,
            fd_over_floor=(a * b) ** 0.5,
            by_extractor={"residual": a, "plain": b},
            origin=made_origin("x"),
        )
        for seconds, step, a, b in ((60.4, 100, 8.0, 2.0), (181.0, 300, 9.0, 1.0))
    ]
    made = Budgets(run="x", samples=10, seed=0, device="cpu", threads=1, blur_over_floor=30.0, points=points)
    tables.show_budgets([made])
    header, *rows = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", header) == ["run", "device seconds", "step", "fd ÷ floor", "residual", "plain"]
    assert [row.split() for row in rows] == [
        ["x", "60", "100", "4", "8", "2"],
        ["x", "181", "300", "3", "9", "1"],
    ]
    tables.show_budgets([])
    assert capsys.readouterr().out == "nothing measured\n"


def test_a_terminal_gets_a_table_of_its_width_with_all_words() -> None:
    code = f"from gencore.cli import tables; tables.show({ROWS!r}, ['name', 'fd', 'note'], empty='')"
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=terminal,
        env=os.environ | {"COLUMNS": "60", "TERM": "xterm"},
        check=False,
    )
    os.close(terminal)
    shown = re.sub(r"\x1b\[[\d;]*m", "", os.read(controller, 1 << 16).decode())  # without bold
    os.close(controller)
    assert done.returncode == 0
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 60 and any(line.strip().startswith("───") for line in lines)
    assert shown.count("word") == 40 and "[red]b[/red]" in shown and "1.235" in shown
