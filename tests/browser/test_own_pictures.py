"""A visitor's pictures become a data set that the form trains on."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_own_data import write_pictures
from visiting import Server, Visitor, serving

from gencore.data.registry import known


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard without runs."""
    home = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GENCORE_DATA", raising=False)
        with serving(home) as dashboard:
            yield dashboard


def upload(visitor: Visitor, file: Path) -> None:
    visitor.tab.get_by_role("button", name="Add your pictures").click()
    visitor.see("[role=dialog]")
    visitor.tab.set_input_files("input[type=file]", file)


def test_a_zip_is_previewed_named_added_and_chosen(visitor: Visitor, server: Server, tmp_path: Path) -> None:
    write_pictures(tmp_path / "mine", 3, 20)
    archive = tmp_path / "My Marks.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for picture in sorted((tmp_path / "mine").rglob("*.png")):
            packed.write(picture, picture.relative_to(tmp_path / "mine"))
        packed.writestr("kind 0/broken.png", b"\x89PNG\r\n\x1a\n no picture")
    visitor.visit("/")
    upload(visitor, archive)
    visitor.see("img[alt='30 of the images as models will see them']")
    shown = visitor.see("[role=dialog]").inner_text()
    assert "3 classes: kind 0 (20), kind 1 (20), kind 2 (20)" in shown and "1 file left out" in shown
    assert visitor.tab.get_by_label("Name").last.input_value() == "my-marks"
    visitor.tab.get_by_role("button", name="Add", exact=True).click()
    visitor.tab.wait_for_selector("[role=dialog]", state="detached")
    visitor.see("text=my-marks is added")
    assert known(server.home / "data")["my-marks"].class_names == ("kind 0", "kind 1", "kind 2")
    chosen = visitor.tab.locator("[data-testid=stSidebar] [data-testid=stSelectbox]", has_text="Dataset")
    assert "my-marks" in chosen.first.inner_text() or "my-marks" in chosen.locator("input").input_value()


def test_what_is_no_picture_gets_a_sentence_and_nothing_is_stored(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "letter.png").write_text("Dear model, please draw me.")
    visitor.visit("/")
    before = set(known(server.home / "data"))
    upload(visitor, tmp_path / "letter.png")
    complaint = visitor.see("[role=dialog] [data-testid=stAlert]").inner_text()
    assert "letter.png" in complaint or "no pictures" in complaint
    assert visitor.tab.get_by_role("button", name="Add", exact=True).count() == 0
    assert set(known(server.home / "data")) == before
