// Runs decoders of models (gencore/reports/decoder.py) in onnxruntime-web, away from the page's own thread.
import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more need headers that would keep the page from showing anything of others
ort.env.wasm.wasmPaths = { wasm: new URL("./ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.logLevel = "error";

const sessions = new Map();

function open(graph) {
  if (!sessions.has(graph)) {
    sessions.set(graph, (async () => {
      const answer = await fetch(graph);
      if (!answer.ok) throw new Error(await answer.text());
      return ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), { executionProviders: ["wasm"] });
    })());
    sessions.get(graph).catch(() => sessions.delete(graph)); // may be asked for again
  }
  return sessions.get(graph);
}

async function decode(session, { inputs, steps }) {
  const tensor = (values, dims) => new ort.Tensor("float32", values, dims);
  const { z, ...given } = Object.fromEntries(Object.entries(inputs).map(([name, { values, dims }]) => [name, tensor(values, dims)]));
  if (!steps) return (await session.run(z ? { z, ...given } : given)).images;
  let x = z, previous = z;
  for (const row of steps)
    ({ next_z: x, x_0: previous } = await session.run({ z: x, previous, row: tensor(Float32Array.from(row), [row.length]), ...given }));
  return x;
}

// (1, C, H, W) in [-1, 1] as RGBA bytes
function pixels({ data, dims: [, channels, height, width] }) {
  const bytes = new Uint8ClampedArray(4 * height * width).fill(255);
  const area = height * width;
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++)
      bytes[4 * i + c] = Math.round((data[(channels === 3 ? c : 0) * area + i] + 1) * 127.5);
  return { bytes, width, height };
}

self.onmessage = async ({ data: { number, graph, asked } }) => {
  try {
    const session = await open(graph);
    const image = asked && pixels(await decode(session, asked));
    self.postMessage({ number, image }, image ? [image.bytes.buffer] : []);
  } catch (error) {
    self.postMessage({ number, error: String(error.message ?? error) });
  }
};
