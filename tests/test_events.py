"""The event log: typed lines, torn ends, readers beside a writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_files import largest_file

from gencore.store.events import (
    Ended,
    Notice,
    Progress,
    Resumed,
    Saved,
    Writer,
    append,
    last,
    repair,
    tail,
    without_void,
)

WRITER = """
import random, sys, time
from pathlib import Path
from gencore.store.events import Notice, append
path, end, n = Path(sys.argv[1]), time.time() + 2, 0
random.seed(0)
while time.time() < end:
    append(path, Notice(text=f"{n} " + "x" * random.choice([1, 300, 30_000, 200_000])))
    n += 1
print(n)
"""


def progress(step: int) -> Progress:
    return Progress(
        step=step,
        epoch=step / 4,
        seconds=1.0,
        images_per_second=10.0,
        losses={"kl": 0.5},
        gradient_norms={"all": 2.0},
    )


def ended(step: int) -> Ended:
    return Ended(status="stopped", reason="enough", step=step, seconds=1.0, peak_memory_mib=1.0)


def texts(path: Path) -> list[str]:
    return [event.text for event in tail(path).events]


def test_events_come_back_as_they_were_appended(tmp_path: Path) -> None:
    path, written = (
        tmp_path / "events.jsonl",
        [progress(3), Saved(step=3, file="a"), Notice(text="é\n\u2028"), ended(4)],
    )
    for event in written:
        append(path, event)
    assert tail(path).events == written
    assert last(path) == written[-1]
    assert len(path.read_bytes().splitlines()) == 4


def test_the_tail_from_an_offset_is_what_came_since(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert tail(path) == ([], 0, 0)
    append(path, Notice(text="one"))
    first = tail(path)
    append(path, Notice(text="two"))
    second = tail(path, first.offset)
    assert [event.text for event in second.events] == ["two"]
    assert tail(path, second.offset) == ([], second.offset, 0)


def test_a_log_of_before_norms_were_logged_step_by_step_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    old = progress(1).model_dump_json(exclude={"norms"})
    path.write_text(old + "\n")
    (event,) = tail(path).events
    assert event == Progress.model_validate_json(old) and event.norms == {}


def test_the_newest_event_is_found_however_long_its_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, Notice(text="one"))
    long = progress(30_000).model_copy(update={"norms": {"all": [1.234e-05] * 30_000}})
    append(path, long)
    assert path.stat().st_size > 4 * 65536 and last(path) == long


def test_figures_that_are_not_finite_are_null(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    broken = {
        "losses": {"kl": float("nan")},
        "gradient_norms": {"all": float("inf")},
        "norms": {"all": [1.0, float("inf")]},
    }
    append(path, progress(1).model_copy(update=broken))
    assert b"NaN" not in path.read_bytes() and b"Infinity" not in path.read_bytes()
    (event,) = tail(path).events
    assert (
        event.losses == {"kl": None}
        and event.gradient_norms == {"all": None}
        and event.norms == {"all": [1.0, None]}
    )


def test_a_torn_last_line_is_skipped_by_readers_at_any_cut_and_repaired_by_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, Notice(text="one"))
    whole = path.stat().st_size
    append(path, Notice(text="two, which will be torn"))
    content = path.read_bytes()
    for cut in range(whole, len(content)):
        path.write_bytes(content[:cut])
        read = tail(path)
        assert ([event.text for event in read.events], read.offset, read.unreadable) == (["one"], whole, 0)
        assert last(path).text == "one"
        repair(path)
        append(path, Notice(text="three"))
        assert texts(path) == ["one", "three"] and tail(path).unreadable == 0


def test_a_log_that_is_one_torn_line_longer_than_a_block_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 200_000)
    assert tail(path) == ([], 0, 0) and last(path) is None
    repair(path)
    assert path.read_bytes() == b""
    repair(tmp_path / "absent.jsonl")
    assert not (tmp_path / "absent.jsonl").exists()


def test_whole_lines_that_are_no_events_are_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, Notice(text="one"))
    with path.open("ab") as file:
        file.write(b'garbage\n{"type": "unheard of"}\n\xff\xfe\n[]\n')
    append(path, Notice(text="two"))
    assert texts(path) == ["one", "two"] and tail(path).unreadable == 4
    with path.open("ab") as file:
        file.write(b"garbage\n")
    assert last(path).text == "two"


def test_a_full_disk_leaves_the_log_with_whole_lines_and_the_next_event_readable(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, Notice(text="one"))
    with largest_file(path.stat().st_size + 500):
        for size in (600, 100_000):
            with pytest.raises(OSError) as failure:
                append(path, Notice(text="x" * size))
            assert failure.value.filename == str(path)
            assert path.read_bytes().endswith(b"\n")
        append(path, Notice(text="two"))
    assert texts(path) == ["one", "two"] and tail(path).unreadable == 0


def test_a_reader_beside_a_writer_sees_every_event_once_and_no_fault(tmp_path: Path) -> None:
    path, offset, seen = tmp_path / "events.jsonl", 0, []
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        while (alive := writer.poll() is None) or tail(path, offset).events:
            read = tail(path, offset)
            assert read.unreadable == 0
            offset = read.offset
            seen += [int(event.text.split()[0]) for event in read.events]
            newest = last(path) if alive else None
            assert newest is None or newest.type == "notice"
        written = int(writer.stdout.read())
    assert written > 20 and seen == list(range(written))


def test_a_resume_makes_void_what_came_after_its_step() -> None:
    saved = Saved(step=4, file="step-00000004.safetensors")
    early, void, resumed, late = progress(2), progress(6), Resumed(step=4, file=saved.file), progress(5)
    assert without_void([early, saved, void, ended(7), resumed, late]) == [early, saved, resumed, late]


def test_an_event_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        Notice(text="x", colour="red")


def test_a_writer_leaves_a_log_like_any_other_and_readers_beside_it_see_whole_events(tmp_path: Path) -> None:
    path, plain = tmp_path / "events.jsonl", tmp_path / "plain.jsonl"
    written = [Notice(text="one"), Notice(text="long " * 10_000), progress(2), ended(4)]
    with Writer(path) as log:
        for number, event in enumerate(written, 1):
            log.append(event)
            append(plain, event)
            assert tail(path).events == written[:number] and tail(path).unreadable == 0
            assert last(path) == event
    assert path.read_bytes() == plain.read_bytes()
    with Writer(path) as log:
        log.append(Notice(text="again"))
    assert tail(path).events == [*written, last(path)]


def test_a_full_disk_leaves_the_log_as_it_was_and_takes_the_event_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Writer(path) as log:
        log.append(Notice(text="one"))
        with largest_file(path.stat().st_size + 500):
            for size in (600, 100_000):
                with pytest.raises(OSError) as failure:
                    log.append(Notice(text="x" * size))
                assert failure.value.filename == str(path) and texts(path) == ["one"]
            log.append(ended(3).model_copy(update={"reason": "x" * 4096}))
    assert [event.type for event in tail(path).events] == ["notice", "ended"]
    assert tail(path).unreadable == 0 and path.read_bytes().endswith(b"\n")


def test_the_room_that_a_killed_writer_left_is_cut_off_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    killed = Writer(path)
    killed.append(Notice(text="one"))
    assert path.stat().st_size > Writer.ROOM and texts(path) == ["one"]
    repair(path)
    append(path, Notice(text="two"))
    assert texts(path) == ["one", "two"] and path.stat().st_size < Writer.ROOM
