"""A canvas to draw on with mouse, finger or pen; the picture comes back with the end of each stroke."""

from __future__ import annotations

import math
from base64 import b64decode

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from dashboard.components.shared import BUTTON

BOXES: dict[str, int] = {"mnist": 20, "emnist-digits": 24, "digits": 28}
"""Pixels of the square that holds a data set's digits: LeCun et al. 1998, Cohen et al. 2017; the whole
picture.
"""
VISIBLE = 128
"""Grey of the brightest pixel of a drawing at least: a stroke's middle is white, its trace at the edge is
not.
"""

STROKES = """
// Strokes by mouse, finger or pen: calls began, moved (at each point that the pointer passed) and ended; points are in
// pixels of the canvas.
const strokes = (canvas, { began, moved, ended }) => {
  const at = event => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / canvas.clientWidth;
    return [(event.clientX - box.left - canvas.clientLeft) * scale, (event.clientY - box.top - canvas.clientTop) * scale];
  };
  canvas.onpointerdown = event => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    began(at(event));
  };
  canvas.onpointermove = event => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length ? passed : [event]) moved(at(one));
  };
  canvas.onlostpointercapture = ended;
};
"""
"""JavaScript, for every component that is drawn on."""

_HTML = """
<canvas width="224" height="224" role="img" aria-label="Canvas: draw with mouse, finger or pen"></canvas>
<button type="button">Clear</button>
"""
_CSS = """
canvas {
  display: block; box-sizing: border-box; width: 100%; aspect-ratio: 1; background: black; cursor: crosshair;
  touch-action: none; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
}
button { margin-top: 0.5rem; }
"""
_JS = """
export default function ({ parentElement, data, setStateValue }) {
  const canvas = parentElement.querySelector("canvas");
  const ink = canvas.getContext("2d");
  Object.assign(ink, { lineWidth: 20, lineCap: "round", lineJoin: "round", strokeStyle: "white" });

  const strokeTo = point => {
    ink.lineTo(...point);
    ink.stroke();
  };
  const shrunk = () => {  // the ink is the opacity
    let small = canvas;
    while (small.width > data.size) {
      const side = Math.max(small.width / 2, data.size);
      const half = Object.assign(document.createElement("canvas"), { width: side, height: side });
      const to = half.getContext("2d");
      to.imageSmoothingQuality = "high";
      to.drawImage(small, 0, 0, side, side);
      small = half;
    }
    const rgba = small.getContext("2d").getImageData(0, 0, data.size, data.size).data;
    return btoa(String.fromCharCode(...rgba.filter((_, i) => i % 4 === 3)));
  };

  const began = point => {
    ink.beginPath();
    strokeTo(point);
    strokeTo(point);  // a click is a dot
  };
  strokes(canvas, { began, moved: strokeTo, ended: () => setStateValue("pixels", shrunk()) });
  parentElement.querySelector("button").onclick = () => {
    ink.clearRect(0, 0, canvas.width, canvas.height);
    setStateValue("pixels", null);
  };
}
"""
_canvas = st.components.v2.component("canvas", html=_HTML, css=BUTTON + _CSS, js=STROKES + _JS)


def drawn(key: str, size: int) -> np.ndarray | None:
    """(size, size) uint8, white on black; None before the first stroke."""
    return received(_canvas(key=key, data={"size": size}, on_pixels_change=lambda: None).get("pixels"), size)


def received(sent: object, size: int) -> np.ndarray | None:
    """(size, size) uint8; None unless a browser sent the base64 of exactly that, and something can be seen on
    it.
    """
    pixels = sent_pixels(sent, (size, size))
    return pixels if pixels is not None and pixels.max() >= VISIBLE else None


def sent_pixels(sent: object, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 of `shape`; None unless a browser sent the base64 of exactly so many bytes."""
    count = math.prod(shape)
    if not isinstance(sent, str) or len(sent) != 4 * -(-count // 3):
        return None
    try:
        pixels = np.frombuffer(b64decode(sent, validate=True), np.uint8)
    except ValueError:
        return None
    return pixels.reshape(shape) if len(pixels) == count else None


def fitted(pixels: np.ndarray, box: int) -> np.ndarray:
    """A drawing (S, S), scaled to fit `box` pixels, its centre of mass in the middle as far as the edges let
    it.

    So are MNIST's digits, in a box of 20 (LeCun et al. 1998, section III).
    """
    whole = Image.fromarray(pixels)
    ink = np.asarray(ImageOps.contain(whole.crop(whole.getbbox()), (box, box)))
    centre = (np.average(np.arange(n), weights=ink.sum(1 - axis)) for axis, n in enumerate(ink.shape))
    top, left = (
        min(max(round(len(pixels) / 2 - c), 0), len(pixels) - n)
        for c, n in zip(centre, ink.shape, strict=True)
    )
    framed = np.zeros_like(pixels)
    framed[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return framed
