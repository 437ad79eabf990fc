"""A picture beside the sliders that change it, as one component: a move is one message there and one back.

Streamlit's own sliders are all drawn anew at every move, and their picture is fetched by a request of its
own. Here the browser keeps the sliders, and asks for one picture at a time: the next for where they stand
once the last has come."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dashboard.components.shared import ADDRESS, BUTTON


class Slider(NamedTuple):
    """From -`reach` to `reach`; its place stands in the address under `name` while it is not 0."""

    name: str
    label: str
    reach: float
    step: float


_HTML = """
<div class="all">
  <img>
  <div class="moves">
    <section></section>
    <button type="button" title="All sliders">Back to 0</button>
  </div>
</div>
"""
_CSS = """
.all { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
img { image-rendering: pixelated; }
.moves { flex: 1 1 220px; max-width: 480px; }
section { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 0.75rem 1.5rem; }
label { display: grid; grid-template-columns: 1fr auto; font-size: 0.875rem; color: var(--st-text-color); }
span + span { font-variant-numeric: tabular-nums; }
input { grid-column: 1 / -1; height: 1.75rem; margin: 0; accent-color: var(--st-primary-color); cursor: grab; touch-action: pan-y; }
button { margin-top: 1rem; }
"""
_JS = """
export default function ({ data, parentElement, setStateValue }) {
  const of = selector => parentElement.querySelector(selector);
  const places = () => Object.fromEntries([...parentElement.querySelectorAll("input")].map(input => [input.name, +input.value]));
  const tell = input => { input.previousElementSibling.textContent = (+input.value).toFixed(2); };

  const made = JSON.stringify(data.sliders);
  const section = of("section");
  if (section.dataset.made !== made) {
    const before = places();
    const stand = { ...data.places, ...before };
    section.gone = { ...section.gone, ...Object.fromEntries(Object.keys(before).map(name => [name, 0])) };
    section.dataset.made = made;
    section.replaceChildren(...data.sliders.map(({ name, label, reach, step }) => {
      const row = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "range", name, min: -reach, max: reach, step });
      input.value = stand[name] ?? 0;
      input.setAttribute("aria-label", label);
      row.append(Object.assign(document.createElement("span"), { textContent: label }), document.createElement("span"), input);
      tell(input);
      return row;
    }));
  }

  const picture = of("img");
  Object.assign(picture, { src: `data:image/png;base64,${data.picture}`, alt: data.alt, width: data.width });

  section.waits = false;
  const shown = JSON.stringify(data.places);
  const ask = () => {
    const now = places();
    keepInAddress({ ...section.gone, ...now });
    if (section.waits || shown === JSON.stringify(now)) return;
    section.waits = true;
    setStateValue("places", now);
  };
  section.oninput = event => { tell(event.target); ask(); };
  of("button").onclick = () => {
    for (const input of section.querySelectorAll("input")) { input.value = 0; tell(input); }
    ask();
  };
  ask();
}
"""
_sliders = st.components.v2.component("sliders", html=_HTML, css=BUTTON + _CSS, js=ADDRESS + _JS)
_KEY = "sliders"


def places(sliders: Sequence[Slider]) -> dict[str, float]:
    """Where they stand, by name: as the browser says, at first as the address does; within their reach, 0 if
    unsaid.
    """
    sent = st.session_state.get(_KEY, {}).get("places")
    given = sent if isinstance(sent, dict) else st.query_params.to_dict()
    return {one.name: _within(one, given.get(one.name)) for one in sliders}


def _within(slider: Slider, sent: object) -> float:
    if not isinstance(sent, int | float | str):
        return 0.0
    try:
        place = float(sent or 0)
    except ValueError:
        return 0.0
    return min(max(place, -slider.reach), slider.reach) if math.isfinite(place) else 0.0


def show(sliders: Sequence[Slider], stand: dict[str, float], picture: bytes, alt: str, width: int) -> None:
    """The PNG `picture`, `width` pixels wide, and `sliders` where they `stand`; the address follows them."""
    data = {
        "sliders": [one._asdict() for one in sliders],
        "places": stand,
        "picture": b64encode(picture).decode(),
        "alt": alt,
        "width": width,
    }
    _sliders(key=_KEY, data=data, on_places_change=lambda: None)
