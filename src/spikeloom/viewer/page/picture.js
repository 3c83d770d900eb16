// Weights as an image; blue is negative, orange is positive, grey has no synapse.

import { colour, figure, get } from "./dom.js";

const NONE = 255, MIDDLE = 127;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function palette() {
  const [minus, zero, plus, none] = ["minus", "zero", "plus", "none"].map((name) => rgb(colour(name)));
  const colours = [];
  for (let code = 0; code <= 2 * MIDDLE; code++) {
    const share = Math.abs(code - MIDDLE) / MIDDLE, end = code < MIDDLE ? minus : plus;
    colours.push(zero.map((z, i) => Math.round(z + (end[i] - z) * share)));
  }
  colours.push(none);
  return colours;
}

function paint(canvas, width, height, codes) {
  const colours = palette();
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  codes.forEach((code, i) => image.data.set([...colours[code], 255], 4 * i));
  pen.putImageData(image, 0, 0);
}

export function drawPicture(picture, projection) {
  get("picture").hidden = !picture.pixels;
  if (!picture.pixels) return;
  const codes = Uint8Array.from(atob(picture.pixels), (c) => c.charCodeAt(0));
  paint(get("weights"), picture.width, picture.height, codes);
  paint(get("scale"), NONE, 1, Uint8Array.from({ length: NONE }, (_, i) => i));
  get("low").textContent = figure(-picture.top);
  get("high").textContent = `${figure(picture.top)} in the network's units`;
  const fields = picture.kind === "fields";
  get("picture-pre").textContent = fields ? `one image for each neuron of ${projection.post}` : `${projection.pre} →`;
  get("picture-post").textContent = fields ? "" : `← ${projection.post}`;
  get("picture-text").textContent =
    `${picture.text}; ${figure(picture.low)} to ${figure(picture.high)} at step ${picture.step.toLocaleString("en")}`;
}
