// What happened to a run, the newest first: checkpoints, evaluations, findings, restarts.

import { html, useState } from "../parts/html.js";
import { Empty } from "../parts/page.js";
import { ALERTS } from "../parts/chart_plot.js";
import { known, count, shown } from "../parts/text.js";

const FEW = 12; // that are shown at once
const BETWEEN = new Set(["checkpoint", "evaluation", "resumed", "finished"]);

export function Happened({ run }) {
  const [whole, setWhole] = useState(false);
  const marks = inOrder(run.marks ?? []);
  const told = whole ? marks : marks.slice(0, FEW);
  const rest = marks.length - told.length;
  if (!marks.length) return run.done ? null : html`<${Empty}>No step is done yet.</${Empty}>`;
  return html`<section class="section" aria-labelledby="happened">
    <h2 id="happened">What happened</h2>
    <ol class="happened">${told.map(
      (mark, at) => html`<li key=${`${marks.length - at}`} class=${ALERTS.has(mark.kind) ? "happened-alert" : null}>
        <span class="happened-step">${when(mark)}</span>
        <span class="happened-kind">${shown(mark.kind)}</span><span>${shown(mark.text)}</span>
      </li>`,
    )}</ol>
    ${rest > 0 && html`<button type="button" class="quiet" onClick=${() => setWhole(true)}>
      ${count(rest, "earlier event")}</button>`}
  </section>`;
}

// what is made of the policy as it stands is made between two steps
function when({ step, kind }) {
  if (!known(step)) return "";
  return BETWEEN.has(kind) ? `after ${count(step, "step")}` : `in step ${step}`;
}

// by their steps, the last first; what belongs to no step stays beside what came before it
function inOrder(marks) {
  let step = -1;
  const placed = marks.map((mark, at) => {
    if (known(mark.step) && mark.kind !== "evaluation") step = mark.step; // evaluations are listed by themselves
    return { mark, at, step: known(mark.step) ? mark.step : step };
  });
  return placed.sort((a, b) => b.step - a.step || b.at - a.at).map(({ mark }) => mark);
}
