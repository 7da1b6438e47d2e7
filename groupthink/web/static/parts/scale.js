// Axes: the ends of a range, ticks at round numbers; and a figure with its sign, however small it is.

import { known, number } from "./text.js";

export function ends(values, pad = 0.5) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!known(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low - pad, high + pad] : [low, high];
}

export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  const last = Math.floor(high / step + 1e-9);
  for (let i = Math.ceil(low / step - 1e-9); i <= last; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// +0.333, −0.00041: with so many digits that mean something, where `signed` of text.js has a fixed number of decimals
export function moved(value, digits = 3) {
  return known(value) && value > 0 ? `+${number(value, digits)}` : number(value, digits);
}

// ▲ ▼ or –: up or down by shape
export function arrow(value) {
  if (!known(value) || value === 0) return "·";
  return value > 0 ? "▲" : "▼";
}
