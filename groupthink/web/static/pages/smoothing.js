// Over how many steps curves are smoothed: a few choices, and what suits a run of so many steps where none was made.

import { html } from "../parts/html.js";

const WIDTHS = [1, 5, 15, 45];

// In steps. said: what the address says; steps: how many the longest run has
export function smoothing(said, steps) {
  const given = Number(said);
  if (said && given >= 1) return Math.min(Math.round(given), 999);
  return steps < 40 ? 1 : steps < 200 ? 5 : steps < 1500 ? 15 : 45;
}

// every: of how many steps a point is the mean already
export function Smoothing({ value, steps, every = 1, onChange }) {
  const widths = WIDTHS.filter((width) => width > every && width * 2 <= steps);
  const plain = every === 1 ? "1 step" : `${every} steps`;
  const choice = (width, pressed, text) => html`<button key=${width} type="button" class="choice"
    aria-pressed=${pressed} onClick=${() => onChange(width)}>${text}</button>`;
  return html`<span class="controls-inline" role="group" aria-label="smoothing"><span class="muted">mean of</span>
    ${choice(1, value <= every, plain)} ${widths.map((width) => choice(width, value === width, width))}
  </span>`;
}
