// The network as a graph: sources to the left, each population as near to them as a path allows.

import { COLOURS, count, make, short } from "./dom.js";

const WIDE = 128, HIGH = 40, GAP_X = 74, GAP_Y = 26, EDGE = 14;

function places(nodes) {
  const layers = new Map();
  nodes.forEach((node, i) => {
    if (!layers.has(node.layer)) layers.set(node.layer, []);
    layers.get(node.layer).push(i);
  });
  const tallest = Math.max(...[...layers.values()].map((layer) => layer.length));
  const height = tallest * HIGH + (tallest - 1) * GAP_Y;
  const at = [];
  [...layers.keys()].sort((a, b) => a - b).forEach((key, column) => {
    const layer = layers.get(key);
    const own = layer.length * HIGH + (layer.length - 1) * GAP_Y;
    layer.forEach((i, row) => {
      at[i] = { column, x: EDGE + column * (WIDE + GAP_X), y: 34 + (height - own) / 2 + row * (HIGH + GAP_Y) };
    });
  });
  return { at, width: 2 * EDGE + layers.size * WIDE + (layers.size - 1) * GAP_X, height: height + 34 + 40 };
}

function path(from, to, lane) {
  const y = (box, share) => box.y + HIGH * share;
  if (from === to) {
    const x = from.x + WIDE / 2, top = from.y;
    return { d: `M${x + 22},${top} C${x + 34},${top - 30 - lane * 8} ${x - 34},${top - 30 - lane * 8} ${x - 22},${top}`, x, y: top - 22 - lane * 6 };
  }
  if (to.column > from.column) {
    const x1 = from.x + WIDE, y1 = y(from, 0.5), x2 = to.x - 5, y2 = y(to, 0.5);
    const bend = to.column - from.column > 1 ? 46 + lane * 10 : lane * 14;
    const middle = (x1 + x2) / 2;
    return { d: `M${x1},${y1} C${middle},${y1 + bend} ${middle},${y2 + bend} ${x2},${y2}`, x: middle, y: (y1 + y2) / 2 + bend * 0.75 };
  }
  // Back, or within a layer: around below.
  const x1 = from.x + WIDE * 0.35, y1 = y(from, 1), x2 = to.x + WIDE * 0.65, y2 = y(to, 1) + 5;
  const below = Math.max(y1, y2) + 26 + lane * 8;
  return { d: `M${x1},${y1} C${x1},${below} ${x2},${below} ${x2},${y2}`, x: (x1 + x2) / 2, y: below - 6 };
}

function arrow(id, learns) {
  return make("svg:marker", { id, viewBox: "0 0 6 6", refX: 5, refY: 3, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" },
    make("svg:path", { d: "M0,0 L6,3 L0,6 z", class: learns ? "head learns" : "head" }));
}

export function drawGraph(into, facts, choose) {
  const { at, width, height } = places(facts.nodes);
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "populations and projections" });
  svg.append(make("svg:defs", {}, arrow("still", false), arrow("learns", true)));
  const lanes = new Map();
  for (const edge of facts.edges) {
    const pair = `${edge.pre} ${edge.post}`;
    const lane = lanes.get(pair) ?? 0;
    lanes.set(pair, lane + 1);
    const { d, x, y } = path(at[edge.pre], at[edge.post], lane);
    const line = make("svg:path", { d, class: edge.learns ? "edge learns" : "edge", "stroke-width": 1 + Math.min(2.5, Math.log10(edge.synapses + 1) / 2.2), "marker-end": edge.learns ? "url(#learns)" : "url(#still)" });
    const label = make("svg:text", { x, y: y - 3, "text-anchor": "middle", class: "soft halo" }, count(edge.synapses));
    const title = make("svg:title", {}, `${edge.name}: ${count(edge.synapses)} synapses${edge.learns ? ", learns" : ""}`);
    const group = make("svg:g", { class: "choice" }, title, line, make("svg:path", { d, class: "hit" }), label);
    group.addEventListener("click", () => choose(edge.name));
    svg.append(group);
  }
  facts.nodes.forEach((node, i) => {
    const { x, y } = at[i];
    const kind = { population: "neurons", host: "inputs", poisson: "Poisson inputs", periodic: "periodic inputs" }[node.kind];
    svg.append(make("svg:g", {},
      make("svg:title", {}, node.name),
      make("svg:rect", { x, y, width: WIDE, height: HIGH, rx: node.kind === "population" ? 8 : 20, class: "box" }),
      make("svg:circle", { cx: x + 14, cy: y + 15, r: 4.5, class: `own k${i % COLOURS}` }),
      make("svg:text", { x: x + 24, y: y + 19 }, short(node.name, 13)),
      make("svg:text", { x: x + 24, y: y + 33, class: "soft" }, `${count(node.size)} ${kind}`)));
  });
  into.replaceChildren(svg);
}
