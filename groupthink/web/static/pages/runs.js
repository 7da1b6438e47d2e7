// All runs of the folder: how each stands, how its reward went, what it came to. Some of them side by side.

import { html, useState, useMemo, classes } from "../parts/html.js";
import { useFollow } from "../parts/api.js";
import { asList, go, link, listOf, toggled } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Status, Spark, Change, Progress } from "../parts/figures.js";
import { Table } from "../parts/table.js";
import { known, number, fixed, ago, count, shown } from "../parts/text.js";
import { arranged } from "./arranged.js";
import { Compared } from "./compared.js";

const STATUSES = ["running", "stalled", "crashed", "stopped", "finished", "unreadable"];

export default function Runs({ params }) {
  const [turn, setTurn] = useState(0);
  const found = useData("/api/runs", {}, turn);
  useFollow(null, () => setTurn((each) => each + 1), 2000);
  const chosen = listOf(params.with);
  const set = (changes) => go("runs", { ...params, ...changes }, true);
  const aside = found.data?.folder && html`<span class="muted">${shown(found.data.folder)}</span>`;
  return html`<${Page} title="Runs" aside=${aside}>
    <${Waited} found=${found} what="Reading the runs">${({ runs, folder }) => {
      if (!runs.length) return html`<${Nothing} folder=${folder} />`;
      return html`
        ${chosen.length > 0 && html`<${Compared} names=${chosen} params=${params} set=${set} turn=${turn} />`}
        <${Filters} runs=${runs} params=${params} set=${set} chosen=${chosen} />
        <${List} runs=${runs} params=${params} set=${set} chosen=${chosen} />`;
    }}</${Waited}>
  </${Page}>`;
}

function Nothing({ folder }) {
  return html`<${Empty}>There are no runs in ${shown(folder)} yet. <code>groupthink train</code> makes one: the bundled
    model learns to reason about quadratic equations within minutes, on a CPU.</${Empty}>`;
}

function Filters({ runs, params, set, chosen }) {
  const there = STATUSES.filter((status) => runs.some((run) => run.status === status));
  const toggle = (status) => set({ status: params.status === status ? null : status });
  return html`<form class="controls" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>name <input type="search" value=${params.name ?? ""} placeholder="part of a name or model"
      onInput=${(event) => set({ name: event.target.value })} /></label>
    ${there.length > 1 && html`<fieldset><legend>status</legend>${there.map(
      (status) => html`<button key=${status} type="button" class="choice" aria-pressed=${params.status === status}
        onClick=${() => toggle(status)}><${Status} status=${status} /></button>`,
    )}</fieldset>`}
    <span class="muted" role="status">${count(runs.length, "run")}</span>
    ${chosen.length > 0 && html`<button type="button" class="quiet"
      onClick=${() => set({ with: null, zoom: null, tables: null })}>none side by side</button>`}
  </form>`;
}

function List({ runs, params, set, chosen }) {
  const sort = params.sort ?? "-last";
  const rows = useMemo(() => arranged(runs, params, sort), [runs, params.name, params.status, sort]);
  const kind = (row) => classes(row.depth && "run-stage", row.kind === "pipeline" && "run-pipeline");
  if (!rows.length) return html`<${Empty}>No run is called or stands so.</${Empty}>`;
  return html`<${Table} columns=${columns(chosen, set)} rows=${rows} presorted=${true} sort=${sort}
    onSort=${(next) => set({ sort: next })} caption="Runs" rowKey=${(row) => row.name} rowClass=${kind}
    kind="table-runs" />`;
}

function columns(chosen, set) {
  const toggle = (name) => set({ with: asList(toggled(chosen, name)) });
  return [
    {
      key: "choose",
      title: html`<span class="hidden">side by side</span>`,
      class: "run-choose",
      sortable: false,
      render: (run) => html`<${Chooser} run=${run} chosen=${chosen.includes(run.name)} onToggle=${toggle} />`,
    },
    { key: "name", title: "run", head: true, render: (run) => html`<${Name} run=${run} />` },
    { key: "status", title: "status", render: (run) => html`<${Status} status=${run.status} why=${run.why} />` },
    {
      key: "spark",
      title: "reward over steps",
      sortable: false,
      class: "wide",
      render: (run) => html`<${Spark} values=${run.spark} />`,
    },
    { key: "reward", title: "reward", align: "right", class: "wide", render: (run) => fixed(run.reward, 3) },
    {
      key: "accuracy",
      title: "accuracy, held out",
      align: "right",
      class: "run-accuracy",
      render: (run) => html`<span class="figure-name">accuracy, held out${" "}</span>
        <${Change} before=${run.accuracy_before} after=${run.accuracy}
        low=${run.accuracy_low} high=${run.accuracy_high} />`,
    },
    {
      key: "length",
      title: "tokens",
      note: "mean length of a response",
      align: "right",
      class: "wide",
      render: (run) => number(known(run.length) ? Math.round(run.length) : null),
    },
    {
      key: "done",
      title: "steps",
      align: "right",
      class: "run-done",
      render: (run) => html`<span class="figure-name">steps${" "}</span>
        <${Progress} done=${run.done} steps=${run.steps} />`,
    },
    { key: "last", title: "last step", align: "right", class: "wide nowrap", render: (run) => ago(run.last) },
  ];
}

function Chooser({ run, chosen, onToggle }) {
  if (run.kind === "pipeline") return null; // its stages have the curves
  return html`<input type="checkbox" checked=${chosen} onChange=${() => onToggle(run.name)}
    aria-label=${`${run.name} side by side with others`} title="side by side with others" />`;
}

function Name({ run }) {
  const own = run.depth ? run.name.split("/").at(-1) : run.name;
  const kind = run.kind === "pipeline" ? count(run.stages.length, "stage") : shown(run.kind ?? "");
  return html`<span class=${classes("run-name", run.depth && "run-within")}>
    <a href=${link("run", { run: run.name })} title=${run.why}>${shown(own)}</a>
    <span class="run-about">${kind}${run.depth ? "" : ` · ${shown(run.model ?? "")}`}</span>
  </span>`;
}
