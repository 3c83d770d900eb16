// Small helpers; names from a network become text nodes only, never markup.

export const get = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const count = (number) => number.toLocaleString("en");

export function short(text, most) {
  const letters = [...text];
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}

export function figure(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

export function seconds(value) {
  if (value >= 1 || value === 0) return `${Number(value.toFixed(3))} s`;
  return value >= 1e-3 ? `${Number((value * 1e3).toFixed(3))} ms` : `${Number((value * 1e6).toFixed(3))} µs`;
}

export const COLOURS = 6;

export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const colourOf = (number) => colour(`c${number % COLOURS}`);
