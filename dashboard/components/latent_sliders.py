"""A picture beside the sliders that change it, as one component: the model draws it in the browser itself.

Until the model is there, and where it cannot be, the server draws: a move is one message there and one back,
and the browser asks for one picture at a time, the next for where the sliders stand once the last has come.
(Streamlit's own sliders are all drawn anew at every move, and their picture is fetched by a request of its
own.)"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.components.shared import ADDRESS, BUTTON


class Slider(NamedTuple):
    """From -`reach` to `reach`; its place stands in the address under `name` while it is not 0."""

    name: str
    label: str
    reach: float
    step: float
    said: str
    """Of its value in the alternative text, as `direction 1 at`."""


class PageModel(NamedTuple):
    """What the browser needs to draw by itself."""

    graph: str
    """Path of the decoder's ONNX file, from the root of the dashboard."""
    z: np.ndarray
    """The latent at which all sliders are at 0, float32 (*latent shape)."""
    condition: np.ndarray
    """float32 (condition_dim,)"""
    directions: np.ndarray
    """float32 (sliders d1, d2, …; *latent shape), orthonormal"""
    steps: list[tuple[float, ...]]
    """The table of a model that samples in steps, else empty."""


_HTML = """
<div class="all">
  <img>
  <div class="moves">
    <section></section>
    <button type="button" title="All sliders">Back to 0</button>
    <p role="status"></p>
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
p { font-size: 0.75rem; opacity: 0.7; color: var(--st-text-color); margin: 0.75rem 0 0; min-height: 1.2em; }
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
  if (!section.player) picture.src = `data:image/png;base64,${data.picture}`;
  Object.assign(picture, { alt: data.alt, width: data.width });

  const model = data.model;
  const local = async () => {
    const { player, floats, graph } = section;
    if (!player || graph !== model.graph) return false;
    const now = places(), shape = model.shape;
    const base = floats(model.z), z = base.slice(), all = floats(model.directions);
    const length = Math.hypot(...base);
    for (let k = 0; k * z.length < all.length; k++)
      for (let i = 0, amount = now[`d${k + 1}`] ?? 0; amount && i < z.length; i++) z[i] += amount * length * all[k * z.length + i];
    const shifted = Math.hypot(...z);
    for (let i = 0; i < z.length; i++) z[i] *= length / shifted;
    for (const name in now) if (name[0] === "z") z[+name.slice(1)] += now[name];
    const moved = data.sliders.filter(({ name }) => now[name]).map(({ name, said }) => `${said} ${now[name]}`);
    const condition = model.condition && floats(model.condition);
    const given = condition ? { condition: { values: condition, dims: [1, condition.length] } } : {};
    await player.draw({ z: { values: z, dims: shape }, ...given }, canvas => {
      picture.src = canvas.toDataURL();
      picture.alt = data.alt.replace(data.stand, moved.join(", ") || data.still);
      picture.dataset.drawn = +(picture.dataset.drawn ?? 0) + 1;
    });
    return true;
  };

  section.waits = false;
  const shown = JSON.stringify(data.places);
  const byServer = () => {
    const now = places();
    if (section.waits || shown === JSON.stringify(now)) return;
    section.waits = true;
    setStateValue("places", now);
  };
  const ask = async () => {
    keepInAddress({ ...section.gone, ...places() });
    if (!await local()) byServer();
  };
  section.oninput = event => { tell(event.target); ask(); };
  of("button").onclick = () => {
    for (const input of section.querySelectorAll("input")) { input.value = 0; tell(input); }
    ask();
  };

  const note = of("p");
  if (model && section.asked !== model.graph) {
    Object.assign(section, { asked: model.graph, player: undefined });
    note.textContent = "drawn by the server while the model comes to this page …";
    (async () => {
      try {
        const { Player, floats } = await import(new URL("in-page/player.mjs", document.baseURI));
        const player = new Player(new URL(model.graph, document.baseURI).href, model.steps.length ? model.steps : undefined);
        await player.load();
        if (section.asked !== model.graph) return;
        Object.assign(section, { player, floats, graph: model.graph });
        note.textContent = "drawn in this page";
        ask();
      } catch (error) {
        note.textContent = `drawn by the server: ${error.message}`;
      }
    })();
  } else if (!model) {
    Object.assign(section, { asked: undefined, player: undefined });
    note.textContent = `drawn by the server: ${data.why}`;
  }
  ask();
}
"""
_sliders = st.components.v2.component("sliders", html=_HTML, css=BUTTON + _CSS, js=ADDRESS + _JS)
_KEY = "sliders"
_STILL = "all sliders at 0"


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


def show(
    sliders: Sequence[Slider],
    stand: dict[str, float],
    picture: bytes,
    by: str,
    width: int,
    model: PageModel | str,
) -> None:
    """The PNG `picture`, `width` pixels wide, and `sliders` where they `stand`; the address follows them.

    `by` ends the alternative text: which model drew it. `model` is what lets the browser draw by itself, or why
    it cannot."""
    moved = ", ".join(f"{one.said} {stand[one.name]:g}" for one in sliders if stand[one.name]) or _STILL
    data = {
        "sliders": [one._asdict() for one in sliders],
        "places": stand,
        "picture": b64encode(picture).decode(),
        "alt": f"Image with {moved}, {by}",
        "stand": moved,
        "still": _STILL,
        "width": width,
        "model": None if isinstance(model, str) else _encoded(model),
        "why": model if isinstance(model, str) else "",
    }
    _sliders(key=_KEY, data=data, on_places_change=lambda: None)


def _encoded(model: PageModel) -> dict[str, object]:
    def packed(values: np.ndarray) -> str:
        return b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()

    return {
        "graph": model.graph,
        "shape": [1, *model.z.shape],
        "z": packed(model.z),
        "condition": packed(model.condition) if model.condition.size else None,
        "directions": packed(model.directions),
        "steps": model.steps,
    }
