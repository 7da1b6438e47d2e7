// A run's curves as small multiples with one cross-hair: which of them, how smooth, and over which steps is in the
// address.

import { html, useMemo } from "../parts/html.js";
import { go } from "../parts/route.js";
import { Curve } from "../parts/chart.js";
import { number } from "../parts/text.js";
import { curvesOf } from "./catalogue.js";
import { smoothing, Smoothing } from "./smoothing.js";

const UNREAD = new Set(["sft", "evaluate", "pipeline"]); // kinds of stages whose steps hold no responses

export function Curves({ run, params }) {
  const all = useMemo(() => curvesOf(run), [run]);
  const set = (changes) => go("run", { ...params, ...changes }, true);
  if (!all.length) return null;
  const chosen = params.show ? params.show.split(",") : all.filter((curve) => curve.first).map((curve) => curve.key);
  const smooth = smoothing(params.smooth, run.steps_axis.length);
  const range = params.zoom ? params.zoom.split("-").map(Number) : undefined;
  const onStep = UNREAD.has(run.kind) ? undefined : (step) => go("step", { run: run.name, step });
  return html`<section class="section" aria-label="curves">
    <div class="section-head">
      <h2>Curves</h2>
      <${Smoothing} value=${smooth} steps=${run.steps_axis.length} onChange=${(width) => set({ smooth: width })} />
      ${range
        ? html`<span>steps ${range[0]} to ${range[1]} <button type="button" class="quiet" onClick=${() =>
          set({ zoom: null })}>all steps</button></span>`
        : null}
      <span class="curve-key muted">▲ checkpoint ◇ evaluation <span class="curve-alert">┊ finding</span></span>
    </div>
    <div class="curves">${all
      .filter((curve) => chosen.includes(curve.key))
      .map(
        (curve) => html`<${Curve} key=${curve.key} title=${curve.title} x=${curve.x} series=${curve.series}
          note=${curve.note}
          marks=${run.marks} smooth=${smooth} range=${range} onRange=${(found) => set({ zoom: found.join("-") })}
          onStep=${onStep && ((step) => onStep(Math.min(step, run.steps_axis.at(-1))))} syncKey="run" min=${curve.min}
            max=${curve.max}
          format=${curve.format ?? number} axisFormat=${curve.axisFormat} />`,
      )}</div>
    <${Choice} all=${all} chosen=${chosen} set=${set} />
  </section>`;
}

function Choice({ all, chosen, set }) {
  const toggle = (key) => {
    const next = chosen.includes(key) ? chosen.filter((each) => each !== key) : [...chosen, key];
    set({ show: all.map((curve) => curve.key).filter((each) => next.includes(each)).join(",") || "none" });
  };
  const hidden = all.length - all.filter((curve) => chosen.includes(curve.key)).length;
  return html`<details class="fold curve-choice"><summary>Which curves${hidden ? html` <span
    class="muted">(${hidden} more)</span>` : null}</summary>
    <div class="controls">${all.map(
      (curve) => html`<label key=${curve.key}><input type="checkbox" checked=${chosen.includes(curve.key)}
        onChange=${() => toggle(curve.key)} />
        ${curve.title}</label>`,
    )}
      <button type="button" class="quiet" onClick=${() => set({ show: all.map((curve) =>
        curve.key).join(",") })}>all</button>
      <button type="button" class="quiet" onClick=${() => set({ show: null })}>as at first</button>
    </div>
  </details>`;
}
