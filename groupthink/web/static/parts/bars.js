// Bars of a group's responses on one scale, cut into cells that stand beside each other: the same height means the
// same value in each, and the line of the average (or of zero) goes through all of them.

import { html } from "./html.js";
import { known } from "./text.js";

// -> {low, high}: the range of values, with 0 in it
export function rangeOf(values) {
  const there = values.filter(known);
  const [low, high] = [Math.min(0, ...there), Math.max(0, ...there)];
  return low === high ? { low: 0, high: 1 } : { low, high };
}

// One cell: a bar from 0 to `value`; `line`: a value that a dashed line stands at (the average)
export function Bar({ value, range, line, kind, children }) {
  const place = (at) => (100 * (at - range.low)) / (range.high - range.low);
  const there = known(value);
  const [from, to] = there ? [Math.min(0, value), Math.max(0, value)] : [0, 0];
  const style = {
    "--from": `${place(from)}%`,
    "--size": `${place(to) - place(from)}%`,
    "--zero": `${place(0)}%`,
    "--level": known(line) ? `${place(line)}%` : "0%",
    "--tip": `${place(there ? value : 0)}%`,
  };
  return html`<div class=${`bar bar-${kind} ${way(value)}`} style=${style} aria-hidden="true">
    <span class="bar-zero"></span>
    ${there && html`<span class="bar-body"></span>`}
    ${known(line) && html`<span class="bar-line"></span>`}
    ${children && html`<span class="bar-tip">${children}</span>`}
  </div>`;
}

function way(value) {
  if (!known(value) || value === 0) return "bar-flat";
  return value < 0 ? "bar-down" : "bar-up";
}
