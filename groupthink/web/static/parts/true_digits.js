// Figures that a reader takes from each other: with as many decimals as make the difference true as it is shown.

import { known } from "./text.js";

const MOST = 10;

// rows: [before, after, the change as it is shown (a number), and what its last digit counts]. The decimals of the two,
// the fewest, from `least` on, with which every row is true.
export function trueDigits(rows, least) {
  const there = rows.filter((row) => row.every(known));
  const cut = (value, decimals) => Number(value.toFixed(decimals));
  const holds = (decimals) => there.every(([before, after, change, unit]) =>
    Math.abs(cut(after, decimals) - cut(before, decimals) - change) <= unit / 2 + 1e-12);
  for (let decimals = least; decimals < MOST; decimals += 1) if (holds(decimals)) return decimals;
  return MOST;
}

// What the last of `digits` that mean something counts: 0.0001 of 0.0333
export function unitOf(value, digits) {
  return value === 0 ? Infinity : 10 ** (Math.floor(Math.log10(Math.abs(value))) + 1 - digits);
}
