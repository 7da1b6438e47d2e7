// One run: how it stands, what its curves say, what the doctor says, what its evaluations found, and its recipe.

import { html, useState } from "../parts/html.js";
import { offers, useFollow } from "../parts/api.js";
import { link } from "../parts/route.js";
import { Failed, Page, Waited, useData } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Status } from "../parts/figures.js";
import { shown } from "../parts/text.js";
import { Curves } from "./curves.js";
import { Doctor } from "./doctor.js";
import { Evaluations, Traits } from "./evaluated.js";
import { Happened } from "./happened.js";
import { Headline } from "./headline.js";
import { Stages } from "./stages.js";

export default function Run({ params }) {
  const [turn, setTurn] = useState(0);
  const found = useData("/api/run", { run: params.run }, turn);
  const steps = found.data?.steps_axis.length ?? 0; // of a long run the answer is long, too
  const again = (events) => events.some((event) => isNews(event, found.data)) && setTurn((each) => each + 1);
  useFollow(found.loading ? undefined : params.run, again, Math.max(1000, 2 * steps));
  const [whole, name] = partsOf(params.run ?? "");
  const crumbs = [{ text: "Runs", href: link("runs") }];
  if (whole) crumbs.push({ text: whole, href: link("run", { run: whole }) });
  const aside = found.data && html`<${Status} status=${found.data.status} />
    <span class="muted">${shown(found.data.why)}</span>`;
  return html`<${Page} title=${name || "Run"} crumbs=${crumbs} aside=${aside}>
    <${Waited} found=${found} what="Reading the run">${(run) => html`
      ${run.words && html`<p class="lead">${shown(run.words)}</p>`}
      <${Headline} run=${run} />
      ${run.kind === "pipeline" && html`<${Stages} run=${run} turn=${turn} />`}
      <${Doctor} run=${run} />
      <${Curves} run=${run} params=${params} />
      <div class="beside">
        <${Evaluations} evaluations=${run.evaluations} /><${Traits} evaluations=${run.evaluations} />
      </div>
      ${run.kind === "pipeline" && html`<${Report} run=${run} turn=${turn} />`}
      <${Happened} run=${run} />
      ${run.recipe && html`<${Recipe} text=${run.recipe} />`}
    `}</${Waited}>
  </${Page}>`;
}

function isNews({ kind, data }, run) {
  if (data.run !== run?.name) return true; // of a stage
  if (kind === "status") return data.status !== run.status;
  return kind !== "step" || data.step !== run.steps_axis.at(-1);
}

// a stage's run is called PIPELINE/stages/NN-NAME
function partsOf(name) {
  const at = name.indexOf("/stages/");
  return at < 0 ? [null, name] : [name.slice(0, at), name.slice(at + 8)];
}

// the report's main table: a row of texts for each stage
function Report({ run, turn }) {
  const found = useData(offers("/api/report") ? "/api/report" : null, { run: run.name }, turn);
  const report = found.data?.report;
  if (found.error) return html`<${Failed} error=${found.error} />`;
  if (!report?.rows?.length) return null;
  const title = shown(report.title ?? "Report");
  const columns = report.heads.map((head, at) => ({
    key: `c${at}`,
    title: shown(head) || html`<span class="hidden">of what</span>`,
    head: at === 0,
    align: at ? "right" : "left",
    class: at ? "nowrap" : null,
    render: (row) => shown(row[at] ?? "–"),
  }));
  return html`<section class="section" aria-labelledby="report">
    <h2 id="report">${title}</h2>
    <${Table} columns=${columns} rows=${report.rows} caption=${title} />
    ${(report.notes ?? []).map((note) => html`<p class="curve-note">${shown(note)}</p>`)}
  </section>`;
}

function Recipe({ text }) {
  return html`<details class="fold section">
    <summary>Recipe</summary><pre class="recipe" tabindex="0">${shown(text)}</pre>
  </details>`;
}
