"""Parallel coordinates drawn and brushed in the browser itself: an axis a property, a line an item.

A drag along an axis leaves only the lines that pass there; a click on the axis takes that back. Brushes stay when the
data change. Drawn as SVG, so it needs no WebGL, and lines are links.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.components.shared import BUTTON


@dataclass(frozen=True)
class Tick:
    """A mark on an axis; `place` is 0 at its foot and 1 at its top."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis from foot to top."""

    title: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Line:
    """An item: where it crosses each axis, what it is called, and the address that it links to."""

    title: str
    address: str
    places: tuple[float, ...]
    is_best: bool


_HTML = """
<p><span aria-live="polite"></span><button>Show all</button></p>
<svg role="group"></svg>
"""

_CSS = (
    BUTTON
    + """
svg { display: block; width: 100%; height: 380px; touch-action: pan-x; font-size: 0.8rem; user-select: none; }
p { min-height: 2rem; margin: 0; display: flex; gap: 0.75rem; align-items: center; font-size: 0.875rem; color: var(--st-text-color); }
path { fill: none; stroke: #8A8F98; stroke-width: 1; stroke-opacity: 0.55; pointer-events: stroke; }
a.best path { stroke: var(--best); stroke-width: 1.8; stroke-opacity: 1; }
a:hover path, a:focus path { stroke: var(--st-text-color); stroke-width: 3; stroke-opacity: 1; }
a.off { opacity: 0.07; pointer-events: none; }
a.off.best { opacity: 0.15; }
.axis line { stroke: var(--st-text-color); stroke-opacity: 0.6; }
text { fill: var(--st-text-color); }
.tick { paint-order: stroke; stroke: var(--st-background-color); stroke-width: 4px; stroke-linejoin: round; pointer-events: none; }
.title { font-weight: 650; text-anchor: middle; }
.field { fill: transparent; cursor: ns-resize; }
.brush { fill: var(--st-primary-color); fill-opacity: 0.35; stroke: var(--st-primary-color); pointer-events: none; }
"""
)

_JS = """
const TOP = 34, FOOT = 14, SIDE = 72, HEIGHT = 380, REACH = 14, CLICK = 4;
const make = (parent, name, values = {}, text) => {
  const made = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const key in values) made.setAttribute(key, values[key]);
  if (text !== undefined) made.textContent = text;
  return made;
};
const y = place => HEIGHT - FOOT - place * (HEIGHT - TOP - FOOT);
const placeAt = y => Math.min(1.02, Math.max(-0.02, (HEIGHT - FOOT - y) / (HEIGHT - TOP - FOOT)));

export default function ({ data, parentElement }) {
  const svg = parentElement.querySelector("svg"), count = parentElement.querySelector("span");
  const all = parentElement.querySelector("button");
  const brushes = svg.brushes ??= {};  // by title of the axis: a change of the data leaves them
  svg.setAttribute("aria-label", data.about);
  svg.style.setProperty("--best", data.best);

  const draw = () => {
    const width = svg.clientWidth, x = i => SIDE + (i * (width - 2 * SIDE)) / Math.max(1, data.axes.length - 1);
    svg.replaceChildren();
    const links = data.lines.map(line => {
      const link = make(svg, "a", { href: line.address, target: "_blank", tabindex: -1, class: line.is_best ? "best" : "" });
      make(link, "path", { d: "M" + line.places.map((place, i) => `${x(i)},${y(place)}`).join("L") });
      make(link, "title", {}, line.title);
      return link;
    });
    const filter = () => {
      let kept = 0;
      data.lines.forEach((line, i) => {
        const isIn = data.axes.every((axis, j) => {
          const brush = brushes[axis.title];
          return !brush || (line.places[j] >= brush[0] && line.places[j] <= brush[1]);
        });
        kept += isIn;
        links[i].classList.toggle("off", !isIn);
      });
      const isBrushed = data.axes.some(axis => brushes[axis.title]);
      count.textContent = isBrushed ? `${kept} of ${data.lines.length} trials` : `${data.lines.length} trials`;
      all.hidden = !isBrushed;
    };
    const shades = data.axes.map((axis, i) => {
      const group = make(svg, "g", { class: "axis", transform: `translate(${x(i)},0)` });
      make(group, "line", { y1: y(0), y2: y(1) });
      make(group, "text", { class: "title", y: 16 }, axis.title);
      const isLast = i === data.axes.length - 1;
      for (const tick of axis.ticks)
        make(group, "text", { class: "tick", x: isLast ? 8 : -8, y: y(tick.place) + 4, "text-anchor": isLast ? "start" : "end" }, tick.text);
      const shade = make(group, "rect", { class: "brush", x: -REACH / 2, width: REACH });
      const field = make(group, "rect", { class: "field", x: -REACH, width: 2 * REACH, y: TOP - 8, height: HEIGHT - TOP });
      const show = () => {
        const brush = brushes[axis.title];
        shade.setAttribute("visibility", brush ? "visible" : "hidden");
        if (!brush) return;
        shade.setAttribute("y", y(brush[1]));
        shade.setAttribute("height", y(brush[0]) - y(brush[1]));
      };
      field.onpointerdown = down => {
        field.setPointerCapture(down.pointerId);
        const above = svg.getBoundingClientRect().top, from = down.clientY;
        field.onpointermove = move => {
          const ends = [from, move.clientY].map(at => placeAt(at - above));
          brushes[axis.title] = [Math.min(...ends), Math.max(...ends)];
          show();
          filter();
        };
        field.onpointerup = up => {
          field.onpointermove = field.onpointerup = null;
          if (Math.abs(up.clientY - from) < CLICK) delete brushes[axis.title];
          show();
          filter();
        };
      };
      return show;
    });
    all.onclick = () => {
      for (const title in brushes) delete brushes[title];
      shades.forEach(show => show());
      filter();
    };
    shades.forEach(show => show());
    filter();
  };
  const watch = new ResizeObserver(draw);
  watch.observe(svg);
  draw();
  return () => watch.disconnect();
}
"""
_component = st.components.v2.component("parallel_coordinates", html=_HTML, css=_CSS, js=_JS)


def show(axes: Sequence[Axis], lines: Sequence[Line], best: str, about: str, key: str) -> None:
    """`lines` over `axes`, those that are best in the colour `best`; `about` is for those who hear the page."""
    _component(
        key=key,
        data={
            "axes": [dataclasses.asdict(axis) for axis in axes],
            "lines": [dataclasses.asdict(line) for line in lines],
            "best": best,
            "about": about,
        },
    )
