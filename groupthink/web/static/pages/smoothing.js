// Over how many steps curves are smoothed: a few choices, and what suits a run of so many steps where none was made.

import { html } from "../parts/html.js";

const WIDTHS = [1, 5, 15, 45];

// said: what the address says; steps: how many the longest run has
export function smoothing(said, steps) {
  const given = Number(said);
  if (said && given >= 1) return Math.min(Math.round(given), 999);
  return steps < 40 ? 1 : steps < 200 ? 5 : steps < 1500 ? 15 : 45;
}

export function Smoothing({ value, steps, onChange }) {
  const widths = WIDTHS.filter((width) => width === 1 || width * 2 <= steps);
  return html`<span class="controls-inline" role="group" aria-label="smoothing"><span class="muted">mean of</span>
    ${widths.map((width) => html`<button key=${width} type="button" class="choice" aria-pressed=${value === width}
      onClick=${() => onChange(width)}>${width === 1 ? "1 step" : width}</button>`)}
  </span>`;
}
