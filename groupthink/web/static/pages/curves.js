// A run's curves as small multiples with one cross-hair. Which of them, how smooth, over which steps: the address says.

import { html, useMemo } from "../parts/html.js";
import { asList, go, listOf, rangeOf, toggled } from "../parts/route.js";
import { Curve } from "../parts/chart.js";
import { isThere } from "../parts/in_file.js";
import { number } from "../parts/text.js";
import { curvesOf } from "./catalogue.js";
import { smoothing, Smoothing } from "./smoothing.js";
import { Stretch } from "./stretch.js";

const FEW = 4;
const UNREAD = new Set(["sft", "evaluate", "pipeline"]); // kinds of stages whose steps hold no responses

export function Curves({ run, params }) {
  const all = useMemo(() => curvesOf(run), [run]);
  const set = (changes) => go("run", { ...params, ...changes }, true);
  if (!all.length) return null;
  const chosen = params.show ? listOf(params.show) : atFirst(all).map((curve) => curve.key);
  const smooth = smoothing(params.smooth, run.done);
  const [range, tables] = [rangeOf(params.zoom), listOf(params.tables)];
  const zoom = (next) => set({ zoom: next && next.join("-") });
  const stepOf = (step) => ({ run: run.name, step: Math.min(step, run.steps_axis.at(-1)) });
  const shared = {
    marks: run.marks,
    smooth,
    range,
    syncKey: "run",
    onRange: zoom,
    onStep: UNREAD.has(run.kind) ? undefined : (step) => go("step", stepOf(step)),
    leads: (step) => isThere("step", stepOf(step)),
  };
  return html`<section class="section" aria-label="curves">
    <div class="section-head">
      <h2>Curves</h2>
      <${Smoothing} value=${smooth} steps=${run.done} every=${run.every}
        onChange=${(width) => set({ smooth: width })} />
      ${run.steps_axis.length > 1 && html`<${Stretch} range=${range} first=${run.first} last=${run.steps_axis.at(-1)}
        onChange=${zoom} />`}
      <span class="curve-key muted">▲ checkpoint ◇ evaluation <span class="curve-alert">┊ finding</span></span>
    </div>
    <div class="curves">${all
      .filter((curve) => chosen.includes(curve.key))
      .map(
        (curve) => html`<${Curve} key=${curve.key} ...${shared} title=${curve.title} note=${curve.note}
          x=${curve.x} series=${curve.series} min=${curve.min} max=${curve.max}
          format=${curve.format ?? number} axisFormat=${curve.axisFormat} asTable=${tables.includes(curve.key)}
          onTable=${() => set({ tables: asList(toggled(tables, curve.key)) })} />`,
      )}</div>
    <${Choice} all=${all} chosen=${chosen} set=${set} />
  </section>`;
}

// what stands for the run where nobody chose; of a stage that learns from no rewards all that there is
function atFirst(all) {
  const first = all.filter((curve) => curve.first);
  return first.length < FEW ? all : first;
}

function Plain({ onClick, children }) {
  return html`<button type="button" class="quiet" onClick=${onClick}>${children}</button>`;
}

function Choice({ all, chosen, set }) {
  const keys = all.map((curve) => curve.key);
  const toggle = (key) => {
    const next = toggled(chosen, key);
    set({ show: asList(keys.filter((each) => next.includes(each))) || "none" });
  };
  const hidden = keys.filter((key) => !chosen.includes(key)).length;
  return html`<details class="fold curve-choice">
    <summary>Which curves${hidden ? html` <span class="muted">(${hidden} more)</span>` : null}</summary>
    <div class="controls">
      ${all.map(
        (curve) => html`<label key=${curve.key}>
          <input type="checkbox" checked=${chosen.includes(curve.key)} onChange=${() => toggle(curve.key)} />
          ${curve.title}
        </label>`,
      )}
      <${Plain} onClick=${() => set({ show: asList(keys) })}>all</${Plain}>
      <${Plain} onClick=${() => set({ show: null })}>as at first</${Plain}>
    </div>
  </details>`;
}
