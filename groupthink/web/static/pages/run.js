// One run: how it stands, what its curves say, what the doctor says, what its evaluations found, and its recipe.

import { html, useState } from "../parts/html.js";
import { useFollow } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { ALERTS } from "../parts/chart_plot.js";
import { Table } from "../parts/table.js";
import { Status, Change, Figures } from "../parts/figures.js";
import { known, number, fixed, percent, seconds, count, shown } from "../parts/text.js";
import { Curves } from "./curves.js";
import { Evaluations, Traits } from "./evaluated.js";
import { Stages } from "./stages.js";

export default function Run({ params }) {
  const [turn, setTurn] = useState(0);
  const found = useData("/api/run", { run: params.run }, turn);
  const steps = found.data?.steps_axis.length ?? 0;
  useFollow(params.run, () => setTurn((each) => each + 1), Math.max(1000, 2 * steps));
  const [within, name] = split(params.run ?? "");
  const crumbs = [{ text: "Runs", href: link("runs") }, ...(within ? [{ text: within, href: link("run", { run: within }) }] : [])];
  const aside = found.data ? html`<${Status} status=${found.data.status} /><span
    class="muted">${shown(found.data.why)}</span>` : null;
  return html`<${Page} title=${name || "Run"} crumbs=${crumbs} aside=${aside}>
    <${Waited} found=${found} what="Reading the run">${(run) => html`
      ${run.words ? html`<p class="lead">${shown(run.words)}</p>` : null}
      <${Headline} run=${run} />
      ${run.kind === "pipeline" ? html`<${Stages} run=${run} turn=${turn} />` : null}
      <${Doctor} run=${run} />
      <${Curves} run=${run} params=${params} />
      <div class="beside"><${Evaluations} evaluations=${run.evaluations} /><${Traits}
        evaluations=${run.evaluations} /></div>
      <${Report} report=${run.report} />
      <${Happened} run=${run} />
      ${run.recipe ? html`<details class="fold section"><summary>Recipe</summary><pre class="recipe"
        tabindex="0">${shown(run.recipe)}</pre></details>` : null}
    `}</${Waited}>
  </${Page}>`;
}

// a stage's run is called PIPELINE/stages/NN-NAME
function split(name) {
  const at = name.indexOf("/stages/");
  return at < 0 ? [null, name] : [name.slice(0, at), name.slice(at + 8)];
}

function Headline({ run }) {
  const values = (name) => (run.series[name] ?? []).filter(known);
  const ends = (name) => [values(name)[0], values(name).at(-1)];
  const [rewardFirst, reward] = ends("reward");
  const [lengthFirst, length] = ends("completions/mean_length");
  const measured = run.evaluations.filter((one) => known(one["pass@1"]));
  const [first, last] = [measured[0], measured.at(-1)];
  const pace = secondsAStep(run);
  const left = run.status === "running" && known(pace)
    && run.steps > run.done ? `, ${seconds(pace * (run.steps - run.done))} left` : "";
  const whole = (value) => number(known(value) ? Math.round(value) : null);
  return html`<${Figures} figures=${[
    ["steps", run.steps ? html`${number(run.done)}<small> / ${number(run.steps)}</small>`
      : null, left.replace(", ", "")],
    ["accuracy, held out", last ? html`<${Change} before=${first["pass@1"]} after=${last["pass@1"]}
      low=${last["pass@1_low"]} high=${last["pass@1_high"]} />` : null],
    ["reward", known(reward) ? html`<span class="change"><span
      class="before">${fixed(rewardFirst, 2)} → </span>${fixed(reward, 2)}</span>` : null],
    ["tokens a response", known(length) ? html`<span class="change"><span
      class="before">${whole(lengthFirst)} → </span>${whole(length)}</span>` : null],
    ["KL to the reference", known(values("kl").at(-1)) ? number(values("kl").at(-1)) : null, "nats"],
    ["a step", known(pace) ? seconds(pace) : null],
  ]} />
  <div class="about muted">
    <span>${shown(run.model)}</span>${run.objective ? html`<span>${shown(run.objective)}</span>` : null}
    ${run.estimator ? html`<span>advantage: ${shown(run.estimator)}</span>` : null}
    ${Object.entries(run.parts ?? {}).length
      ? html`<span>reward: ${Object.entries(run.parts).map(([name, weight], at) =>
        `${at ? " + " : ""}${number(weight)} ${shown(name)}`).join("")}</span>`
      : null}
    ${run.steps_axis.length && run.kind !== "pipeline" ? html`<${ReadSteps} run=${run} />` : null}
  </div>`;
}

// the mean of the last steps, all phases together
function secondsAStep(run) {
  const phases = Object.entries(run.series).filter(([name]) => name.startsWith("time/"));
  if (!phases.length) return null;
  const last = phases.map(([, values]) => values.slice(-10).filter(known));
  return last.reduce((sum, values) => sum + (values.length ? values.reduce((a, b) => a + b, 0) / values.length : 0), 0);
}

function ReadSteps({ run }) {
  const [first, last] = [run.steps_axis[0], run.steps_axis.at(-1)];
  const open = (event) => {
    event.preventDefault();
    const step = Number(new FormData(event.target).get("step"));
    go("step", { run: run.name, step: Math.min(Math.max(step, first), last) });
  };
  return html`<form class="read-steps" onSubmit=${open}>
    read <a href=${link("step", { run: run.name, step: first })}>the first step</a>,${" "}
    <a href=${link("step", { run: run.name, step: last })}>the newest</a>, or
    <label>step <input name="step" type="number" min=${first} max=${last} required /></label> <button>Open</button>
  </form>`;
}

// what is so now; then, folded, what was found on the way and is no more
function Doctor({ run }) {
  const findings = run.findings ?? [];
  const [now, earlier] = [findings.filter((one) => one.now !== false), findings.filter((one) => one.now === false)];
  if (!findings.length && run.healthy !== true) return null;
  const well = run.healthy === true && html`<p class="doctor-well"><span class="sign sign-right" aria-hidden="true">✓</span>${
    " "}The doctor finds nothing wrong with this run.</p>`;
  return html`<section class="section doctor" aria-labelledby="doctor">
    <h2 id="doctor" class=${now.length ? null : "hidden"}>What the doctor finds</h2>
    ${now.length ? html`<${FindingList} findings=${now} />` : well}
    ${earlier.length
      ? html`<details class="fold"><summary>${count(earlier.length, "earlier finding")}, not so any more</summary>
          <${FindingList} findings=${earlier} /></details>`
      : null}
  </section>`;
}

function FindingList({ findings }) {
  return html`<ol>${findings.map(
    (one) => html`<li key=${`${one.cause} ${one.step}`}>
      <h3><span aria-hidden="true">!</span> ${shown(one.title ?? one.cause)}</h3>
      <p>${shown(one.evidence)}${one.now === false ? html` <span class="muted">(step ${one.step})</span>` : null}</p>
      <p class="doctor-change">${shown(one.change)}</p>
    </li>`,
  )}</ol>`;
}

// the report's main table: a row of texts for each stage
function Report({ report }) {
  if (!report?.rows?.length) return null;
  const columns = report.heads.map((title, at) => ({
    key: `c${at}`,
    title: shown(title),
    head: at === 0,
    align: at ? "right" : "left",
    render: (row) => shown(row[at] ?? "–"),
  }));
  return html`<section class="section" aria-labelledby="report"><h2 id="report">${shown(report.title ?? "Report")}</h2>
    <${Table} columns=${columns} rows=${report.rows} caption=${shown(report.title ?? "Report")} />
    ${(report.notes ?? []).map((note) => html`<p class="curve-note">${shown(note)}</p>`)}
  </section>`;
}

const FEW = 12;

function Happened({ run }) {
  const [whole, setWhole] = useState(false);
  const marks = [...(run.marks ?? [])].reverse();
  if (!marks.length) return html`${run.steps_axis.length ? null : html`<${Empty}>No step is done yet.</${Empty}>`}`;
  const told = whole ? marks : marks.slice(0, FEW);
  return html`<section class="section" aria-labelledby="happened">
    <h2 id="happened">What happened</h2>
    <ol class="happened">${told.map(
      (mark, at) => html`<li key=${`${mark.step} ${mark.kind} ${at}`} class=${ALERTS.has(mark.kind) ? "happened-alert"
        : null}>
        <span class="happened-step">${known(mark.step) ? `step ${mark.step}` : ""}</span>
        <span class="happened-kind">${shown(mark.kind)}</span>
        <span>${mark.text === mark.kind ? "" : shown(mark.text)}</span>
      </li>`,
    )}</ol>
    ${marks.length > told.length ? html`<button type="button" class="quiet" onClick=${() =>
      setWhole(true)}>${count(marks.length - told.length, "earlier event")}</button>` : null}
  </section>`;
}
