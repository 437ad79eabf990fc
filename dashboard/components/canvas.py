"""A canvas to draw on with mouse, finger or pen; the picture comes back with the end of each stroke."""

from __future__ import annotations

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

  const strokeTo = event => {
    const scale = canvas.width / canvas.clientWidth;
    ink.lineTo(event.offsetX * scale, event.offsetY * scale);
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

  canvas.onpointerdown = event => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    ink.beginPath();
    strokeTo(event);
    strokeTo(event);  // a click is a dot
  };
  canvas.onpointermove = event => canvas.hasPointerCapture(event.pointerId) && strokeTo(event);
  canvas.onlostpointercapture = () => setStateValue("pixels", shrunk());
  parentElement.querySelector("button").onclick = () => {
    ink.clearRect(0, 0, canvas.width, canvas.height);
    setStateValue("pixels", null);
  };
}
"""
_canvas = st.components.v2.component("canvas", html=_HTML, css=BUTTON + _CSS, js=_JS)


def drawn(key: str, size: int) -> np.ndarray | None:
    """(size, size) uint8, white on black; None before the first stroke."""
    return received(_canvas(key=key, data={"size": size}, on_pixels_change=lambda: None).get("pixels"), size)


def received(sent: object, size: int) -> np.ndarray | None:
    """(size, size) uint8; None unless a browser sent the base64 of exactly that, and something can be seen on
    it.
    """
    if not isinstance(sent, str) or len(sent) != 4 * -(-(size**2) // 3):
        return None
    try:
        pixels = np.frombuffer(b64decode(sent, validate=True), np.uint8)
    except ValueError:
        return None
    return pixels.reshape(size, size) if len(pixels) == size**2 and pixels.max() >= VISIBLE else None


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
