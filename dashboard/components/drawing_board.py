"""A drawing at a model's size beside what models make of it, as one component: they draw in the browser itself.

As in `latent_sliders`, the server draws until a model is there, and where it cannot be: the browser asks for
one drawing at a time. The server hears of a drawing at the end of each stroke in any case, for downloads."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.components.canvas import STROKES, sent_pixels
from dashboard.components.shared import BUTTON


class PageTranslator(NamedTuple):
    """What the browser needs to translate by itself."""

    graph: str
    """Path of the ONNX file, from the root of the dashboard."""
    noise: np.ndarray | None
    """float32 (1, C, H, W), where a model that samples in steps starts; None for a model of one pass."""
    steps: list[tuple[float, ...]]
    """The table of a model that samples in steps, else empty."""


class Tile(NamedTuple):
    """A picture beside the drawing; the first is the large one."""

    title: str
    alt: str
    picture: bytes | None
    """The PNG of what the server made of the drawing, at the model's size; None leaves what there is."""
    colour: str
    """#RRGGBB of the model; empty for a picture that no model draws."""
    model: PageTranslator | str
    """What lets the browser draw by itself, or why it cannot; empty for a picture that no model draws."""


@dataclass(frozen=True)
class Start:
    """What a drawing starts from; another `name` starts another drawing."""

    name: str
    pixels: np.ndarray
    """uint8 (source channels, H, W)"""
    is_thin: bool
    """Whether lines have one pixel, white on black, as edges do."""


@dataclass(frozen=True)
class Drawing:
    """What is on the canvas."""

    pixels: np.ndarray
    """uint8 (source channels, H, W)"""
    is_done: bool
    """Whether it is the end of a stroke; in mid-stroke the server draws with the chosen model alone."""


_HTML = """
<div class="board">
  <figure>
    <canvas role="img" tabindex="0"></canvas>
    <div class="tools" role="toolbar" aria-label="Drawing tools">
      <button type="button" data-tool="pen" aria-pressed="true">Pen</button>
      <button type="button" data-tool="eraser" aria-pressed="false">Eraser</button>
      <button type="button" data-does="undo" title="Ctrl+Z">Undo</button>
      <button type="button" data-does="clear">Clear</button>
      <button type="button" data-does="restart">Start again</button>
    </div>
    <p class="about"></p>
  </figure>
  <figure><div class="chosen"></div><p role="status"></p></figure>
  <div class="others"></div>
</div>
"""
_CSS = """
.board { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; color: var(--st-text-color); }
figure { margin: 0; font-size: 0.875rem; }
figcaption { margin-top: 0.25rem; overflow-wrap: anywhere; }
canvas, img { display: block; image-rendering: pixelated; }
canvas { box-sizing: content-box; cursor: crosshair; touch-action: none; outline-offset: 2px; margin: -1px; border: 1px solid var(--st-border-color); }
img { background: var(--st-secondary-background-color); }
.about { margin-top: 0.75rem; }
.others { display: flex; flex-wrap: wrap; flex: 1 1 140px; gap: 0.75rem 1rem; }
.tools { display: flex; flex-wrap: wrap; gap: 0.375rem; margin-top: 0.5rem; }
.tools button[aria-pressed=true] { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.swatch { display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.4em; border-radius: 2px; }
p { font-size: 0.75rem; opacity: 0.7; color: var(--st-text-color); margin: 0.5rem 0 0; min-height: 1.2em; }
"""
_JS = """
const GAP = 28;  // between canvas and image, with their borders
const PAST = 50;  // strokes that can be undone
const toText = bytes => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};
const toBytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));

export default function ({ data, parentElement, setStateValue }) {
  const of = selector => parentElement.querySelector(selector);
  const board = of(".board"), canvas = of("canvas"), note = of("[role=status]");
  const { size, channels, start } = data, area = size * size;
  const ink = board.ink ??= canvas.getContext("2d", { willReadFrequently: true });

  const paint = bytes => {
    const image = new ImageData(size, size);
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 3 ? c : 0) * area + i];
      image.data[4 * i + 3] = 255;
    }
    ink.putImageData(image, 0, 0);
  };
  const pixels = () => {  // (channels, size, size), of lines as thin as edges
    const { data: rgba } = ink.getImageData(0, 0, size, size);
    const bytes = Uint8Array.from({ length: channels * area }, (_, k) => rgba[4 * (k % area) + Math.floor(k / area)]);
    return data.thin && board.thinned ? board.thinned(bytes, size) : bytes;
  };

  if (board.name !== start.name) {
    Object.assign(board, { name: start.name, past: [], told: undefined });
    Object.assign(canvas, { width: size, height: size });
    paint(toBytes(data.drawn));
  }
  canvas.setAttribute("aria-label", data.label);
  of(".about").textContent = data.about;

  const shown = JSON.stringify(data.tiles.map(({ title, colour }) => [title, colour]));
  if (board.shown !== shown) {
    board.shown = shown;
    board.images = data.tiles.map(({ title, colour }, i) => {
      const figure = i ? document.createElement("figure") : of(".chosen");
      const caption = document.createElement("figcaption");
      if (colour) caption.appendChild(Object.assign(document.createElement("span"), { className: "swatch" })).style.background = colour;
      caption.append(title);
      const image = document.createElement("img");
      figure.replaceChildren(image, caption);
      return image;
    });
    of(".others").replaceChildren(...board.images.slice(1).map(image => image.parentElement));
  }
  board.players ??= new Map();  // by the address of the graph
  const player = model => board.players.get(model?.graph);
  data.tiles.forEach(({ alt, picture, model }, i) => {
    const image = board.images[i];
    image.alt = alt;
    if (picture && !player(model)?.ready) image.src = `data:image/png;base64,${picture}`;
  });
  const fit = () => {  // canvas and image side by side where a whole number of screen pixels for each of theirs allows it
    const half = (board.clientWidth - GAP) / 2;
    const width = half < size ? data.width : Math.min(data.width, Math.floor(half / size) * size);
    canvas.style.width = canvas.style.height = `${width}px`;
    board.images.forEach((image, i) => {
      Object.assign(image, { width: i ? data.small : width, height: i ? data.small : width });
      image.parentElement.style.width = `${image.width}px`;
    });
    for (const one of parentElement.querySelectorAll("p, .tools")) one.style.maxWidth = `${Math.max(width, 160)}px`;
  };
  fit();
  board.observer?.disconnect();
  board.observer = new ResizeObserver(fit);
  board.observer.observe(board);

  const inPage = async (tile, i, bytes) => {
    const { model } = tile, dims = [1, data.channels, size, size];
    const inputs = { source: { values: Float32Array.from(bytes, value => value / 127.5 - 1), dims } };
    if (model.noise) inputs.z = { values: board.floats(model.noise), dims: [1, model.channels, size, size] };
    const image = board.images[i];
    await player(model).draw(inputs, made => {
      image.src = made.toDataURL();
      image.dataset.drawn = +(image.dataset.drawn ?? 0) + 1;
    });
  };
  const tell = bytes => {
    const now = toText(bytes), done = !board.stroking, told = now + done;
    if (board.waits || (now === data.drawn && (data.done || !done)) || told === board.told) return;
    Object.assign(board, { waits: true, told });
    setStateValue("drawing", { name: start.name, pixels: now, done });
  };
  const follow = () => {
    const bytes = pixels(), done = !board.stroking;
    data.tiles.forEach((tile, i) => {
      // Several passes would keep the chosen model waiting: in mid-stroke only its own.
      if (player(tile.model)?.ready && (done || !i || !tile.model.steps.length)) inPage(tile, i, bytes);
    });
    if (done || !player(data.tiles[0].model)?.ready) tell(bytes);
  };

  const say = () => {
    const [{ model, why }] = data.tiles, entry = player(model);
    note.textContent = entry?.ready ? "drawn in this page" : `drawn by the server${why || entry?.failed ? `: ${why || entry.failed}` : " while the model comes to this page …"}`;
  };
  const load = async ({ graph, steps }) => {
    const entry = {};
    board.players.set(graph, entry);
    try {
      const [{ Player, floats }, { thinned }] = await Promise.all(["player", "thinning"].map(name => import(new URL(`in-page/${name}.mjs`, document.baseURI))));
      Object.assign(board, { floats, thinned });
      const made = new Player(new URL(graph, document.baseURI).href, steps.length ? steps : undefined);
      await made.load();
      Object.assign(entry, { ready: true, draw: made.draw.bind(made) });
      board.again();
    } catch (error) {
      entry.failed = error.message;
      board.again();
    }
  };
  board.again = () => { say(); follow(); };
  for (const { model } of data.tiles) if (model && !player(model)) load(model);
  if (data.thin && !board.thinned) import(new URL("in-page/thinning.mjs", document.baseURI)).then(({ thinned }) => { board.thinned = thinned; }, () => {});

  const tool = () => of("[data-tool][aria-pressed=true]").dataset.tool;
  const blank = data.blank, light = blank < 128 ? 255 : 0;
  const line = ([x0, y0], [x1, y1]) => {
    const erases = tool() === "eraser", grey = erases ? blank : light;
    ink.fillStyle = ink.strokeStyle = `rgb(${grey} ${grey} ${grey})`;
    if (!data.thin) {
      Object.assign(ink, { lineCap: "round", lineJoin: "round", lineWidth: Math.max(2, size / (erases ? 8 : 14)) });
      ink.beginPath();
      ink.moveTo(x0, y0);
      ink.lineTo(x1, y1);
      ink.stroke();
      return;
    }
    // Bresenham 1965: lines of one pixel; the eraser is a square
    const reach = erases ? Math.max(1, Math.round(size / 28)) : 0;
    let [x, y, toX, toY] = [x0, y0, x1, y1].map(Math.floor);
    const dx = Math.abs(toX - x), dy = -Math.abs(toY - y), sx = Math.sign(toX - x), sy = Math.sign(toY - y);
    for (let error = dx + dy; ; ) {
      ink.fillRect(x - reach, y - reach, 2 * reach + 1, 2 * reach + 1);
      if (x === toX && y === toY) return;
      const twice = 2 * error;
      if (twice >= dy) { error += dy; x += sx; }
      if (twice <= dx) { error += dx; y += sy; }
    }
  };
  const keep = () => {
    board.past.push(ink.getImageData(0, 0, size, size));
    if (board.past.length > PAST) board.past.shift();
  };
  strokes(canvas, {
    began: point => { keep(); Object.assign(board, { last: point, stroking: true }); line(point, point); follow(); },
    moved: point => { line(board.last, point); board.last = point; follow(); },
    ended: () => { board.stroking = false; paint(pixels()); follow(); },
  });
  const does = {
    undo: () => { const before = board.past.pop(); if (before) { ink.putImageData(before, 0, 0); follow(); } },
    clear: () => { keep(); paint(new Uint8Array(channels * area).fill(blank)); follow(); },
    restart: () => { keep(); paint(toBytes(start.pixels)); follow(); },
  };
  canvas.onkeydown = event => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    does.undo();
  };
  for (const button of parentElement.querySelectorAll("[data-does]")) button.onclick = does[button.dataset.does];
  for (const button of parentElement.querySelectorAll("[data-tool]"))
    button.onclick = () => {
      for (const one of parentElement.querySelectorAll("[data-tool]")) one.setAttribute("aria-pressed", one === button);
    };

  board.waits = false;
  say();
  const missed = data.tiles.some(({ model, why }) => (model || why) && !player(model)?.ready);
  if (missed) tell(pixels());
  if (board.of !== JSON.stringify([start.name, shown])) {  // another drawing or other models
    board.of = JSON.stringify([start.name, shown]);
    follow();
  }
}
"""
_board = st.components.v2.component("board", html=_HTML, css=BUTTON + _CSS, js=STROKES + _JS)
_KEY = "board"


def drawing(start: Start) -> Drawing:
    """The drawing as the browser last sent it; at first what it starts from."""
    sent = st.session_state.get(_KEY, {}).get("drawing")
    if not isinstance(sent, dict) or sent.get("name") != start.name:
        return Drawing(start.pixels, is_done=True)
    pixels = sent_pixels(sent.get("pixels"), start.pixels.shape)
    return Drawing(start.pixels if pixels is None else pixels, bool(sent.get("done")))


def show(start: Start, drawn: Drawing, tiles: Sequence[Tile], about: str, width: int, small: int) -> None:
    """The canvas with what is `drawn` and `about` it in words, and the `tiles`: the first as wide as the canvas,
    `width` screen pixels, the others `small`.
    """
    channels, size, _ = start.pixels.shape
    _board(
        key=_KEY,
        data={
            "start": {"name": start.name, "pixels": _packed(start.pixels)},
            "drawn": _packed(drawn.pixels),
            "done": drawn.is_done,
            "thin": start.is_thin,
            "blank": 0 if start.is_thin else int(np.median(start.pixels)),
            "size": size,
            "channels": channels,
            "width": width,
            "small": small,
            "label": f"Canvas of {size} by {size} pixels: draw with mouse, finger or pen",
            "about": about,
            "tiles": [_tile(one) for one in tiles],
        },
        on_drawing_change=lambda: None,
    )


def _tile(one: Tile) -> dict[str, object]:
    model = None if isinstance(one.model, str) else one.model
    return {
        "title": one.title,
        "alt": one.alt,
        "picture": one.picture and b64encode(one.picture).decode(),
        "colour": one.colour,
        "why": one.model if isinstance(one.model, str) else "",
        "model": model
        and {
            "graph": model.graph,
            "steps": model.steps,
            "noise": None if model.noise is None else _packed(model.noise.astype(np.float32)),
            "channels": None if model.noise is None else model.noise.shape[1],
        },
    }


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode()
