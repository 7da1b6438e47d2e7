// What a run came to in a line of figures, and from what it is made.

import { html } from "../parts/html.js";
import { link, go } from "../parts/route.js";
import { Change, Figures } from "../parts/figures.js";
import { known, number, fixed, seconds, shown } from "../parts/text.js";

const WINDOW = 8; // steps, as for the doctor

export function Headline({ run }) {
  const measured = run.evaluations.filter((one) => known(one["pass@1"]));
  const [first, last] = [measured[0], measured.at(-1)];
  const pace = secondsAStep(run);
  const left = run.status === "running" && known(pace) && run.steps > run.done;
  const accuracy = last && html`<${Change} before=${first["pass@1"]} after=${last["pass@1"]}
    low=${last["pass@1_low"]} high=${last["pass@1_high"]} />`;
  const kl = ends(run, "kl")[1];
  const steps = width(run) * run.every;
  const over = steps > 1 ? `, first and last ${steps} steps` : ", first and last step";
  const newest = steps > 1 ? `the last ${steps} steps` : "the last step";
  return html`<${Figures} figures=${[
      ["steps", run.steps ? html`${number(run.done)}<small> / ${number(run.steps)}</small>` : null],
      ["accuracy, held out", accuracy],
      [`reward${over}`, moved(run, "reward", (value) => fixed(value, 2))],
      [`tokens a response${over}`, moved(run, "completions/mean_length", (value) => number(Math.round(value)))],
      [`KL to the reference in ${newest}`, known(kl) ? number(kl) : null, "nats a token"],
      ["a step", known(pace) ? seconds(pace) : null],
      ["left", left ? seconds(pace * (run.steps - run.done)) : null],
    ]} />
    <div class="about muted">
      <span>${shown(run.model)}</span>
      ${run.objective && html`<span>objective: ${shown(run.objective)}</span>`}
      ${run.estimator && html`<span>advantage: ${shown(run.estimator)}</span>`}
      ${weights(run)}
      ${run.steps_axis.length > 0 && html`<${ReadSteps} run=${run} />`}
    </div>`;
}

// the means of the first steps and of the last: of a long run one step says little
function ends(run, name) {
  const values = (run.series[name] ?? []).filter(known);
  if (!values.length) return [null, null];
  return [mean(values.slice(0, width(run))), mean(values.slice(-width(run)))];
}

// in points of the curves, each of which is the mean of `every` steps
function width(run) {
  return run.steps_axis.length >= 2 * WINDOW ? Math.ceil(WINDOW / run.every) : 1;
}

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;
}

function moved(run, name, format) {
  const [first, last] = ends(run, name);
  if (!known(last)) return null;
  return html`<span class="change"><span class="before">${format(first)} → </span>${format(last)}</span>`;
}

function weights(run) {
  const told = Object.entries(run.parts ?? {}).map(([name, weight]) => `${number(weight)} ${shown(name)}`);
  return told.length ? html`<span>reward: ${told.join(" + ")}</span>` : null;
}

// the mean of the last steps, all phases together
function secondsAStep(run) {
  const phases = Object.entries(run.series).filter(([name]) => name.startsWith("time/"));
  if (!phases.length) return null;
  const points = Math.ceil(10 / run.every);
  return phases.reduce((sum, [, values]) => sum + mean(values.slice(-points).filter(known)), 0);
}

function ReadSteps({ run }) {
  const [first, last] = [run.first, run.steps_axis.at(-1)];
  const open = (event) => {
    event.preventDefault();
    const step = Number(new FormData(event.target).get("step"));
    go("step", { run: run.name, step: Math.min(Math.max(step, first), last) });
  };
  const to = (step, text) => html`<a href=${link("step", { run: run.name, step })}>${text}</a>`;
  return html`<form class="read-steps" onSubmit=${open}>
    read ${to(first, "the first step")}, ${to(last, "the newest")}, or${" "}
    <label>step <input name="step" type="number" min=${first} max=${last} required /></label> <button>Open</button>
    <span class="counted">(numbered from 0: the newest of ${number(run.done)} is step ${last})</span>
  </form>`;
}
