// Asks for news, draws, asks again: the page never has more to do than what it draws next.

import { COLOURS, count, figure, get, make, seconds } from "./dom.js";
import { drawGraph } from "./graph.js";
import { Past } from "./past.js";
import { drawPicture } from "./picture.js";
import { drawMembranes, drawRaster, drawRates, missing } from "./plots.js";

const page = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const SPEEDS = [1, 10, 100, 1000, 10000, 100000];

let facts, past, news, span = 500, picture = {}, pictureNumber = 0;

async function ask(path, options) {
  const answer = await fetch(path, options);
  const data = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(data.error), { told: true });
  return data;
}

// One after the other: each is sent when the one before has been answered.
let sending = Promise.resolve();
// What is shown as trouble is the answer to a command; the next good answer takes only that away.
let refused = false;

function command(what) {
  sending = sending.then(() => send(what));
}

async function send(what) {
  try {
    await ask("command", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what) });
    if (refused) trouble("");
    refused = false;
  } catch (error) {
    refused = true;
    trouble(error.message);
  }
}

function trouble(text) {
  get("trouble").textContent = text;
  get("trouble").hidden = !text;
}

function setUp() {
  get("title").textContent = facts.title;
  get("device").textContent = `on ${facts.device}`;
  document.title = `${facts.title} – Spikeloom`;
  drawGraph(get("network"), facts, choosePicture);
  const learning = facts.edges.some((edge) => edge.learns) ? "orange ones learn" : "";
  const left = facts.all_nodes - facts.nodes.length, lost = facts.all_edges - facts.edges.length;
  const hidden = left || lost ? `not shown: ${count(left)} populations, ${count(lost)} projections` : "";
  get("network-note").textContent = [learning, hidden].filter(Boolean).join("; ");
  facts.nodes.forEach((node, i) => {
    const name = make("td", {}, make("span", { class: `dot k${i % COLOURS}` }), node.name);
    get("populations").tBodies[0].append(
      make("tr", {}, name, make("td", {}, count(node.size)), make("td", { class: "count" }, "0"), make("td", { class: "rate" }, "–")));
  });
  const real = 1 / facts.dt;
  for (const speed of [...new Set([...SPEEDS, real])].sort((a, b) => a - b)) addSpeed(speed);
  get("speed").append(make("option", { value: "max" }, "as fast as it goes"));
  get("projection").append(make("option", { value: "" }, "choose a projection"));
  for (const edge of facts.edges) get("projection").append(make("option", { value: edge.name }, edge.name));
  for (const node of facts.nodes.filter((n) => n.kind === "population")) {
    get("watch-population").append(make("option", { value: node.name }, node.name));
  }
  get("learns").hidden = !facts.learns;
}

function addSpeed(speed) {
  const real = Math.abs(speed * facts.dt - 1) < 1e-9 ? ", real time" : "";
  get("speed").append(make("option", { value: String(speed) }, `${figure(speed) === String(speed) ? count(speed) : count(Math.round(speed * 100) / 100)} steps/s${real}`));
}

function connect() {
  get("start").onclick = () => command({ do: news.state === "running" ? "pause" : "start" });
  get("advance").onclick = () => command({ do: "step", steps: Math.round(Number(get("steps").value)) });
  get("reset").onclick = () => command({ do: "reset", weights: get("reset-weights").checked });
  get("speed").onchange = (event) => {
    const value = event.target.value;
    command({ do: "speed", speed: value === "max" ? null : Number(value) });
  };
  get("span").onchange = (event) => { span = Number(event.target.value); draw(); };
  get("learning").onchange = (event) => command({ do: "learning", on: event.target.checked });
  get("projection").onchange = () => choosePicture(get("projection").value);
  get("kind").onchange = () => choosePicture(get("projection").value);
  get("watch").onclick = () => {
    const neurons = [...watched(), [get("watch-population").value, Math.round(Number(get("watch-index").value))]];
    command({ do: "watch", neurons });
  };
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); showPicture(); });
  window.addEventListener("pagehide", () => navigator.sendBeacon(`leave?page=${page}`, ""));
  // Back from the browser's memory after its farewell: it begins anew, under a new name.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

const watched = () => past.watched.map(({ population, index }) => [population, index]);

function choosePicture(name) {
  get("projection").value = name;
  const edge = facts.edges.find((e) => e.name === name);
  const field = edge && facts.nodes[edge.pre].sides.length > 0;
  get("kind").querySelector("[value=fields]").disabled = !field;
  if (!field) get("kind").value = "matrix";
  command({ do: "picture", projection: name, kind: get("kind").value });
}

async function fetchPicture() {
  picture = await ask("picture");
  pictureNumber = picture.number ?? news.picture;
  get("projection").value = picture.projection ?? "";
  if (picture.projection) get("kind").value = picture.kind;
  showPicture();
}

function showPicture() {
  const edge = facts.edges.find((e) => e.name === picture.projection);
  drawPicture(picture, edge ? { pre: facts.nodes[edge.pre].name, post: facts.nodes[edge.post].name } : {});
}

function showChips() {
  get("watched").replaceChildren(...past.watched.map(({ population, index }, k) => {
    const remove = make("button", { type: "button", "aria-label": "remove" }, "×");
    remove.onclick = () => command({ do: "watch", neurons: watched().filter((_, i) => i !== k) });
    return make("span", { class: "chip" }, make("span", { class: `dot k${k % COLOURS}` }), `${population}[${index}]`, remove);
  }));
}

function tell(passed) {
  get("step").textContent = count(news.step);
  get("time").textContent = seconds(news.step * facts.dt);
  get("pace").textContent = news.rate >= 10 ? count(Math.round(news.rate)) : figure(news.rate);
  get("state").textContent = news.state;
  get("state").className = `state ${news.state}`;
  get("start").textContent = news.state === "running" ? "Pause" : "Start";
  get("note").textContent = news.note;
  get("learning").checked = news.learning;
  if (document.activeElement !== get("speed")) {
    const value = news.speed === null ? "max" : String(news.speed);
    if (![...get("speed").options].some((o) => o.value === value)) addSpeed(news.speed);
    get("speed").value = value;
  }
  get("warnings").hidden = !news.warnings.length;
  get("warnings").textContent = news.warnings.join("\n");
  if (news.error) {
    refused = false;
    trouble(news.error);
  }
  const [steps, counts] = past.recent(news, span);
  get("over").textContent = steps ? `rates over the last ${count(steps)} steps` : "";
  [...get("populations").tBodies[0].rows].forEach((row, i) => {
    row.cells[2].textContent = count(news.counts[i]);
    row.cells[3].textContent = steps ? figure(counts[i] / (steps * facts.dt * facts.nodes[i].size)) : "–";
  });
  const view = shown();
  const gone = view.gaps.reduce((sum, [a, b]) => sum + b - a, 0), all = news.step - Math.max(view.from, news.since);
  let part = "";
  if (passed > span) part = `steps go by faster than they can be drawn: these are the last ${count(Math.min(all, span))} of ${count(passed)}`;
  if (gone > 0) part = `a part: all spikes of ${count(all - gone)} of these ${count(all)} steps; the grey ones had too many`;
  get("part").textContent = part && `${part}. Counts and rates are of all.`;
}

function shown() {
  const to = Math.max(news.step, news.since + span), from = to - span;
  return { from, to, gaps: missing(past.whole, Math.max(from, news.since), news.step) };
}

function draw() {
  if (!news) return;
  const view = shown();
  drawRaster(facts, past, view);
  drawRates(facts, past, view);
  drawMembranes(facts, past, view);
}

// The next frame; hidden pages get none, and look twice a second.
const frame = () => new Promise((resolve) => (document.hidden ? setTimeout(resolve, 500) : requestAnimationFrame(resolve)));

async function run() {
  for (;;) {
    news = await ask(`news?page=${page}&epoch=${past.epoch}&after=${past.number}`);
    const watch = past.watch;
    const passed = past.take(news, span);
    if (watch !== past.watch) showChips();
    tell(passed);
    await frame();
    draw();
    if (news.picture !== pictureNumber) await fetchPicture();
    if (news.state === "ended" || news.state === "failed") return;
  }
}

async function main() {
  let begun = false;
  try {
    facts = await ask("network");
    past = new Past(facts);
    setUp();
    connect();
    begun = true;
    await run();
  } catch (error) {
    get("state").textContent = "no connection";
    get("state").className = "state lost";
    trouble(error.told ? error.message : begun ? "The view has ended, or cannot be reached any more." : String(error));
  }
  for (const control of document.querySelectorAll("button, .tools input, .tools select, .pick select, .pick input")) control.disabled = true;
}

main();
