// The numbers behind a chart: smoothing, what a plot draws of each series, and what it says in words.

import { known, number } from "./text.js";

// The mean of `width` steps around each (fewer at the ends); null where the step itself has no value. x: the steps
export function smoothed(values, width, x) {
  if (!(width > 1)) return values;
  const half = Math.floor(width / 2);
  const sums = [0];
  const counts = [0];
  for (const value of values) {
    sums.push(sums.at(-1) + (known(value) ? value : 0));
    counts.push(counts.at(-1) + (known(value) ? 1 : 0));
  }
  let [from, to] = [0, 0];
  return values.map((value, at) => {
    while (x[from] < x[at] - half) from += 1;
    while (to < x.length && x[to] <= x[at] + half) to += 1;
    return known(value) ? (sums[to] - sums[from]) / (counts[to] - counts[from]) : null;
  });
}

// What a plot draws, in the order in which it draws it: [{kind: "low"|"high"|"raw"|"line", of: series, values}]
export function layers(series, smooth, x) {
  return series.flatMap((one) => {
    const band = one.low && one.high ? [
      { kind: "low", of: one, values: one.low },
      { kind: "high", of: one, values: one.high },
    ] : [];
    const plain = !(smooth > 1) || one.points;
    if (plain) return [...band, { kind: "line", of: one, values: one.values }];
    return [...band, { kind: "raw", of: one, values: one.values }, { kind: "line", of: one,
      values: smoothed(one.values, smooth, x) }];
  });
}

// The limits of the y axis: from 0 where that costs little, and a little air
export function limits(low, high, min, max) {
  if (!known(low) || !known(high)) return [min ?? 0, max ?? 1];
  let [from, to] = [Math.min(low, min ?? low), Math.max(high, max ?? high)];
  const level = to - from <= 1e-9 * Math.max(Math.abs(from), Math.abs(to)); // but for rounding
  if (level) [from, to] = from === 0 ? [0, 1] : [from - Math.abs(from) * 0.1, to + Math.abs(to) * 0.1];
  const air = 0.06 * (to - from);
  const bottom = from >= 0 && from < 0.5 * to ? 0 : from - air;
  return [min !== undefined && low >= min ? min : bottom, max !== undefined && high <= max ? max : to + air];
}

// For who does not see the curve: where each series begins and ends, its lowest and its highest
export function inWords(title, x, series, format = number, xName = "step") {
  const told = series.map((one) => {
    const there = one.values.map((value, at) => [value, x[at]]).filter(([value]) => known(value));
    if (!there.length) return `${one.name}: no values`;
    const [[first, from], [last, to]] = [there[0], there.at(-1)];
    const only = there.map(([value]) => value);
    const range = `lowest ${format(only.reduce((a, b) => Math.min(a, b)))}, highest ${format(only.reduce((a, b) =>
      Math.max(a, b)))}`;
    return `${one.name}: ${format(first)} at ${xName} ${from}, ${format(last)} at ${xName} ${to}; ${range}`;
  });
  return `${title}. ${told.join(". ")}`;
}

// the last value that is known
export function lastOf(values) {
  return values.findLast?.(known) ?? [...values].reverse().find(known) ?? null;
}

// several runs' series on one axis of steps: {x, columns}, null where a run has no such step
export function joined(tables) {
  const x = [...new Set(tables.flatMap((table) => table.x))].sort((a, b) => a - b);
  const place = new Map(x.map((step, at) => [step, at]));
  const columns = tables.map((table) => {
    const column = new Array(x.length).fill(null);
    table.x.forEach((step, at) => (column[place.get(step)] = table.values[at] ?? null));
    return column;
  });
  return { x, columns };
}
