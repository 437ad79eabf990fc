// A model that draws in this page. One worker serves all of them.

let worker, number = 0;
const waiting = new Map();

function ask(message) {
  if (!worker) {
    worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = waiting.get(data.number);
      waiting.delete(data.number);
      data.error ? reject(new Error(data.error)) : resolve(data.image);
    };
    worker.onerror = event => {
      for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker could not start"));
      waiting.clear();
      worker = undefined;
    };
  }
  return new Promise((resolve, reject) => {
    waiting.set(++number, { resolve, reject });
    worker.postMessage({ number, ...message });
  });
}

export class Player {
  // `graph` is the address of a decoder, `steps` its table where it samples in steps
  constructor(graph, steps) {
    Object.assign(this, { graph, steps, busy: false, next: undefined });
  }

  // Resolves once the model can draw.
  async load() {
    if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly");
    await ask({ graph: this.graph });
  }

  // Calls `show(canvas)` with the image of `inputs`, { name: { values, dims } } as the graph has them; where the next is
  // asked for before that, only with the newest.
  async draw(inputs, show) {
    this.next = { inputs, show };
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.next) {
        const { show, inputs } = this.next;
        this.next = undefined;
        const image = await ask({ graph: this.graph, asked: { inputs, steps: this.steps } });
        const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
        canvas.getContext("2d").putImageData(new ImageData(image.bytes, image.width, image.height), 0, 0);
        show(canvas);
      }
    } finally {
      this.busy = false;
    }
  }
}

// float32 numbers that Python sent as base64
export const floats = text => new Float32Array(Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer);
