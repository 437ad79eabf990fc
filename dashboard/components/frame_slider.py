"""One slider under which pictures run along their strips, moved in the browser itself.

It may move by itself at first, three times there and back; a touch stops it. All frames are there from the start, so it answers at once and asks the server for nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dashboard.components.shared import ADDRESS
from dashboard.data.sheets import Strip


class Tile(NamedTuple):
    """A strip and whose it is; `colour` is the model's, and none leaves the name to those who hear the
    page.
    """

    name: str
    colour: str | None
    strip: Strip


_HTML = """
<div class="tiles"></div>
<label><span></span><input type="range" min="0" max="100" value="0" step="any"><span></span></label>
"""

_CSS = """
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(112px, var(--width))); gap: 0.75rem; }
figure { margin: 0; font-size: 0.875rem; color: var(--st-text-color); }
figure div { aspect-ratio: 1; image-rendering: pixelated; background-repeat: no-repeat; }
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
    picture.setAttribute("role", "img");
    if (tile.colour) {
      figure.appendChild(document.createElement("figcaption")).textContent = tile.name;
      picture.style.borderBottom = `4px solid ${tile.colour}`;
    }
    picture.style.backgroundImage = `url(${tile.strip})`;
    picture.style.backgroundSize = `${100 * tile.frames}% 100%`;
    return picture;
  });
  const tiles = parentElement.querySelector(".tiles");
  tiles.replaceChildren(...pictures.map((picture) => picture.parentElement));
  tiles.style.setProperty("--width", `${data.width}px`);
  if (data.address && !slider.name) Object.assign(slider, { name: data.address, value: data.place });
  const show = () => pictures.forEach((picture, i) => {
    const { name, frames } = data.tiles[i];
    const frame = Math.round((slider.value / 100) * (frames - 1));
    picture.style.backgroundPositionX = `${(100 * frame) / (frames - 1)}%`;
    picture.setAttribute("aria-label", `${name}, ${Math.round(slider.value)} % of the way from ${data.first} to ${data.last}`);
  });
  slider.oninput = () => {
    show();
    if (data.address) keepInAddress({ [data.address]: Math.round(slider.value) });
  };
  slider.oninput();

  clearInterval(tiles.timer);
  const stop = () => { tiles.isTouched = true; clearInterval(tiles.timer); };
  for (const gesture of ["pointerdown", "keydown"]) parentElement.querySelector("label").addEventListener(gesture, stop);
  if (!data.moves || tiles.isTouched || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const start = performance.now();
  tiles.timer = setInterval(() => {
    const rounds = (performance.now() - start) / 1000 / data.moves;
    slider.value = 50 - 50 * Math.cos(2 * Math.PI * rounds);
    show();
    if (rounds >= 3) stop();
  }, 40);
  return () => clearInterval(tiles.timer);
}
"""
_film = st.components.v2.component("film", html=_HTML, css=_CSS, js=ADDRESS + _JS)
WIDTH = 168


def show(
    tiles: Sequence[Tile],
    first: str,
    last: str,
    width: int = WIDTH,
    address: str | None = None,
    moves: float = 0.0,
) -> None:
    """`tiles` side by side, up to `width` pixels wide, and the slider from `first` to `last`.

    Where it stands, in percent, is in the address under `address`, if that is given. With `moves`, seconds
    there and back, it moves by itself until it is touched, unless the visitor asked for less motion.
    """
    data = [
        {
            "name": tile.name,
            "colour": tile.colour,
            "frames": tile.strip.frames,
            "strip": f"data:image/png;base64,{b64encode(tile.strip.png).decode()}",
        }
        for tile in tiles
    ]
    place = st.query_params.get(address, "0") if address else "0"
    _film(
        key=address or "film",
        data={
            "tiles": data,
            "first": first,
            "last": last,
            "width": width,
            "address": address,
            "place": place,
            "moves": moves,
        },
    )
