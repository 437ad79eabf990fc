"""One slider under which every model's pictures turn from one class into another, moved in the browser itself.

What it shows is a strip that evaluation drew (`gencore.walks.Walker.morph`), so it answers at once and needs no model.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dashboard.sheets import Strip


class Tile(NamedTuple):
    """A model's strip."""

    name: str
    colour: str
    strip: Strip


_HTML = """
<div class="tiles"></div>
<label><span></span><input type="range" min="0" max="100" value="0" step="any"><span></span></label>
"""

_CSS = """
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(112px, 168px)); gap: 0.75rem; }
figure { margin: 0; font-size: 0.875rem; color: var(--st-text-color); }
figure div {
  aspect-ratio: 1; image-rendering: pixelated; background-repeat: no-repeat; border-bottom: 4px solid;
  border-radius: var(--st-base-radius) var(--st-base-radius) 0 0;
}
label { display: flex; align-items: center; gap: 0.75rem; max-width: 720px; margin-top: 0.75rem; }
label span { font-weight: 650; font-size: 1.25rem; color: var(--st-text-color); }
input { flex: 1; height: 2rem; accent-color: var(--st-primary-color); cursor: grab; touch-action: pan-y; }
"""

_JS = """
export default function ({ data, parentElement }) {
  const slider = parentElement.querySelector("input");
  const [first, last] = parentElement.querySelectorAll("span");
  first.textContent = data.first;
  last.textContent = data.last;
  slider.setAttribute("aria-label", `From ${data.first} to ${data.last}`);
  const pictures = data.tiles.map((tile) => {
    const figure = document.createElement("figure");
    const picture = figure.appendChild(document.createElement("div"));
    figure.appendChild(document.createElement("figcaption")).textContent = tile.name;
    picture.setAttribute("role", "img");
    picture.style.borderColor = tile.colour;
    picture.style.backgroundImage = `url(${tile.strip})`;
    picture.style.backgroundSize = `${100 * tile.frames}% 100%`;
    return picture;
  });
  parentElement.querySelector(".tiles").replaceChildren(...pictures.map((picture) => picture.parentElement));
  const show = () => pictures.forEach((picture, i) => {
    const { name, frames } = data.tiles[i];
    const frame = Math.round((slider.value / 100) * (frames - 1));
    picture.style.backgroundPositionX = `${(100 * frame) / (frames - 1)}%`;
    picture.setAttribute("aria-label", `${name}, ${Math.round(slider.value)} % of the way from ${data.first} to ${data.last}`);
  });
  slider.oninput = show;
  show();
}
"""
_morph = st.components.v2.component("morph", html=_HTML, css=_CSS, js=_JS)


def show(tiles: Sequence[Tile], first: str, last: str) -> None:
    """`tiles` side by side and the slider from class `first` to class `last`."""
    data = [
        {
            "name": tile.name,
            "colour": tile.colour,
            "frames": tile.strip.frames,
            "strip": f"data:image/png;base64,{b64encode(tile.strip.png).decode()}",
        }
        for tile in tiles
    ]
    _morph(key="morph", data={"tiles": data, "first": first, "last": last})
