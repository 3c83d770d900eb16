// What scrolls: spikes, rates and membranes over the same steps.

import { colour, colourOf, count, figure, get, short } from "./dom.js";

const LEFT = 92, RIGHT = 12, TOP = 8, BOTTOM = 38;

export function ticks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(at);
  return found;
}

function area(id) {
  const canvas = get(id);
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = '11.5px system-ui, "Liberation Sans", sans-serif';
  return { pen, x: LEFT, y: TOP, w: width - LEFT - RIGHT, h: height - TOP - BOTTOM };
}

function steps(a, from, to, dt) {
  const { pen } = a;
  pen.fillStyle = colour("soft");
  pen.strokeStyle = colour("line");
  pen.lineWidth = 1;
  pen.strokeRect(a.x - 0.5, a.y - 0.5, a.w + 1, a.h + 1);
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const unit = dt >= 1 ? [1, "s"] : dt >= 1e-3 ? [1e3, "ms"] : [1e6, "µs"];
  for (const at of ticks(from, to, Math.max(2, Math.floor(a.w / 90)))) {
    if (at < 0) continue;
    const x = a.x + ((at - from) / (to - from)) * a.w;
    pen.fillRect(x - 0.5, a.y + a.h, 1, 4);
    pen.fillText(count(at), x, a.y + a.h + 6);
  }
  pen.fillText(`step (one is ${figure(dt * unit[0])} ${unit[1]})`, a.x + a.w / 2, a.y + a.h + 21);
}

function upright(a, low, high, label) {
  const { pen } = a;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const at of ticks(low, high, Math.max(2, Math.floor(a.h / 26)))) {
    const y = a.y + a.h - ((at - low) / (high - low)) * a.h;
    pen.fillStyle = colour("grid");
    pen.fillRect(a.x, Math.round(y) - 0.5, a.w, 1);
    pen.fillStyle = colour("soft");
    pen.fillText(figure(at), a.x - 7, y);
  }
  pen.save();
  pen.translate(14, a.y + a.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillStyle = colour("soft");
  pen.fillText(label, 0, 0);
  pen.restore();
}

function inside(a, draw) {
  a.pen.save();
  a.pen.beginPath();
  a.pen.rect(a.x, a.y, a.w, a.h);
  a.pen.clip();
  draw();
  a.pen.restore();
}

// Steps of which spikes are missing, as half-open ranges within [from, to).
export function missing(whole, from, to) {
  const gaps = [];
  let at = from;
  for (const [a, b] of whole) {
    if (b <= at) continue;
    if (a >= to) break;
    if (a > at) gaps.push([at, a]);
    at = b;
  }
  if (at < to) gaps.push([at, to]);
  return gaps;
}

export function drawRaster(facts, past, view) {
  const a = area("raster");
  const { pen } = a;
  const { from, to } = view;
  const rows = past.firstRow.at(-1);
  const perStep = a.w / (to - from), perRow = a.h / Math.max(rows, 1);
  const wide = Math.min(3, Math.max(1.2, perStep * 0.8)), high = Math.min(5, Math.max(1.4, perRow * 0.8));
  inside(a, () => {
    pen.fillStyle = colour("gap");
    for (const [g, h] of view.gaps) pen.fillRect(a.x + (g - from) * perStep, a.y, (h - g) * perStep, a.h);
    const colours = facts.nodes.map((_, i) => colourOf(i));
    for (const chunk of past.chunks) {
      if (chunk.last < from) continue;
      let node = 0;
      pen.fillStyle = colours[0];
      for (let k = 0; k < chunk.t.length; k++) {
        const step = chunk.from + chunk.t[k], row = chunk.y[k];
        if (step < from) continue;
        if (row < past.firstRow[node] || row >= past.firstRow[node + 1]) {
          node = past.nodeOf(row);
          pen.fillStyle = colours[node];
        }
        pen.fillRect(a.x + (step - from) * perStep, a.y + (row + 0.5) * perRow - high / 2, wide, high);
      }
    }
  });
  steps(a, from, to, facts.dt);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  let free = -Infinity;
  facts.nodes.forEach((node, i) => {
    const top = a.y + past.firstRow[i] * perRow, bottom = a.y + past.firstRow[i + 1] * perRow;
    const y = Math.max((top + bottom) / 2, a.y + 6);
    if (i > 0) {
      pen.fillStyle = colour("line");
      pen.fillRect(a.x - 5, Math.round(top) - 0.5, 5 + a.w, 1);
    }
    if (y - free < 13) return; // no room for its name
    free = y;
    pen.fillStyle = colourOf(i);
    pen.fillText(short(node.name, 13), a.x - 8, y);
  });
}

export function drawRates(facts, past, view) {
  const a = area("rates");
  const { pen } = a;
  const { from, to } = view;
  let most = 1;
  const lines = facts.nodes.map((node, i) => {
    const line = [];
    for (const bin of past.bins) {
      if (bin.to <= from) continue;
      const hz = bin.counts[i] / ((bin.to - bin.from) * facts.dt * node.size);
      most = Math.max(most, hz);
      line.push([bin.from, bin.to, hz]);
    }
    return line;
  });
  upright(a, 0, most * 1.08, "Hz per neuron");
  inside(a, () => {
    lines.forEach((line, i) => {
      pen.strokeStyle = colourOf(i);
      pen.lineWidth = 1.6;
      pen.beginPath();
      let before = NaN;
      for (const [b, e, hz] of line) {
        const y = a.y + a.h - (hz / (most * 1.08)) * a.h;
        const x = a.x + ((b - from) / (to - from)) * a.w;
        if (b === before) pen.lineTo(x, y);
        else pen.moveTo(x, y);
        pen.lineTo(a.x + ((e - from) / (to - from)) * a.w, y);
        before = e;
      }
      pen.stroke();
    });
  });
  steps(a, from, to, facts.dt);
}

export function drawMembranes(facts, past, view) {
  const canvas = get("membranes");
  canvas.hidden = past.watched.length === 0;
  if (canvas.hidden) return;
  const a = area("membranes");
  const { pen } = a;
  const { from, to } = view;
  let low = Infinity, high = -Infinity;
  const lines = past.watched.map((neuron, k) => {
    const line = [];
    for (const chunk of past.traces) {
      for (let i = Math.max(0, from - chunk.from); i < chunk.v[k].length; i++) {
        const value = chunk.v[k][i] / neuron.scale;
        low = Math.min(low, value);
        high = Math.max(high, value);
        line.push([chunk.from + i, value]);
      }
    }
    return line;
  });
  for (const { threshold, scale } of past.watched) {
    if (threshold !== null) {
      low = Math.min(low, threshold / scale);
      high = Math.max(high, threshold / scale);
    }
  }
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
  const room = (high - low) * 0.06;
  [low, high] = [low - room, high + room];
  upright(a, low, high, "v, network's units");
  const y = (value) => a.y + a.h - ((value - low) / (high - low)) * a.h;
  inside(a, () => {
    lines.forEach((line, k) => {
      const { threshold, scale } = past.watched[k];
      pen.strokeStyle = colourOf(k);
      pen.lineWidth = 1;
      if (threshold !== null) {
        pen.setLineDash([4, 4]);
        pen.beginPath();
        pen.moveTo(a.x, y(threshold / scale));
        pen.lineTo(a.x + a.w, y(threshold / scale));
        pen.stroke();
        pen.setLineDash([]);
      }
      pen.lineWidth = 1.4;
      pen.beginPath();
      let before = NaN;
      for (const [step, value] of line) {
        const x = a.x + ((step + 0.5 - from) / (to - from)) * a.w;
        if (step === before + 1) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
        before = step;
      }
      pen.stroke();
    });
  });
  steps(a, from, to, facts.dt);
}
