// All runs of the folder: how each stands, how its reward went, what it came to. Some of them side by side.

import { html, useState, useMemo, classes } from "../parts/html.js";
import { useFollow } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Status, Spark, Change, Progress } from "../parts/figures.js";
import { Table } from "../parts/table.js";
import { number, fixed, ago, count, shown } from "../parts/text.js";
import { Compared } from "./compared.js";

const STATUSES = ["running", "stalled", "crashed", "stopped", "finished"];

export default function Runs({ params }) {
  const [turn, setTurn] = useState(0);
  const found = useData("/api/runs", {}, turn);
  useFollow(null, () => setTurn((count) => count + 1), 2000);
  const chosen = params.with ? params.with.split(",") : [];
  const set = (changes) => go("runs", { ...params, ...changes }, true);
  return html`<${Page} title="Runs" aside=${found.data ? html`<span class="muted">${shown(found.data.folder)}</span>`
    : null}>
    <${Waited} found=${found} what="Reading the runs">${({ runs, folder }) => {
      if (!runs.length) return html`<${Nothing} folder=${folder} />`;
      return html`
        ${chosen.length ? html`<${Compared} names=${chosen} params=${params} set=${set} turn=${turn} />` : null}
        <${Filters} runs=${runs} params=${params} set=${set} chosen=${chosen} />
        <${List} runs=${runs} params=${params} set=${set} chosen=${chosen} />`;
    }}</${Waited}>
  </${Page}>`;
}

function Nothing({ folder }) {
  return html`<${Empty}>There are no runs in ${shown(folder)} yet. <code>groupthink train</code> makes one: the bundled model
    learns to reason about quadratic equations within minutes, on a CPU.</${Empty}>`;
}

function Filters({ runs, params, set, chosen }) {
  const there = STATUSES.filter((status) => runs.some((run) => run.status === status));
  return html`<form class="controls" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>name <input type="search" value=${params.name ?? ""} placeholder="part of a name or model"
      onInput=${(event) => set({ name: event.target.value })} /></label>
    ${there.length > 1
      ? html`<fieldset><legend>status</legend>${there.map(
          (status) => html`<button key=${status} type="button" aria-pressed=${params.status === status}
            onClick=${() => set({ status: params.status === status ? null : status })}><${Status}
              status=${status} /></button>`,
        )}</fieldset>`
      : null}
    <span class="muted" role="status">${count(runs.length, "run")}${
      chosen.length ? html`, ${chosen.length} side by side <button type="button" class="quiet" onClick=${() =>
        set({ with: null })}>none</button>` : null
    }</span>
  </form>`;
}

function List({ runs, params, set, chosen }) {
  const sort = params.sort ?? "-last";
  const columns = columnsFor(chosen, set);
  const rows = useMemo(() => arranged(runs, params, sort), [runs, params.name, params.status, sort]);
  if (!rows.length) return html`<${Empty}>No run is called or stands so.</${Empty}>`;
  return html`<${Table} columns=${columns} rows=${rows} presorted=${true} sort=${sort} onSort=${(next) =>
    set({ sort: next })}
    caption="Runs" rowKey=${(row) => row.name} rowClass=${(row) => classes(row.depth
      && "run-stage", row.kind === "pipeline" && "run-pipeline")} />`;
}

function columnsFor(chosen, set) {
  const toggle = (name) => {
    const next = chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name];
    set({ with: next.join(",") || null });
  };
  return [
    {
      key: "choose", title: html`<span class="hidden">side by side</span>`, sortable: false,
      render: (run) => run.kind === "pipeline" ? null : html`<input type="checkbox" checked=${chosen.includes(run.name)}
        onChange=${() => toggle(run.name)} aria-label=${`${run.name} side by side with others`}
          title="side by side with others" />`,
    },
    { key: "name", title: "run", head: true, render: (run) => html`<${Name} run=${run} />` },
    { key: "status", title: "status", render: (run) => html`<${Status} status=${run.status} why=${run.why} />` },
    { key: "spark", title: "reward over steps", sortable: false, render: (run) => html`<${Spark}
      values=${run.spark} />` },
    { key: "reward", title: "reward", align: "right", render: (run) => fixed(run.reward, 3) },
    {
      key: "accuracy", title: "accuracy, held out", align: "right",
      render: (run) => html`<${Change} before=${run.accuracy_before} after=${run.accuracy} low=${run.accuracy_low}
        high=${run.accuracy_high} />`,
    },
    { key: "length", title: "tokens", note: "mean length of a response", align: "right", render: (run) =>
      number(run.length && Math.round(run.length)) },
    { key: "done", title: "steps", align: "right", render: (run) => html`<${Progress} done=${run.done}
      steps=${run.steps} />` },
    { key: "last", title: "last step", align: "right", render: (run) => html`<span
      class="nowrap">${ago(run.last)}</span>` },
  ];
}

function Name({ run }) {
  const own = run.depth ? run.name.split("/").at(-1) : run.name;
  return html`<span class=${run.depth ? "run-name run-within" : "run-name"}>
    <a href=${link("run", { run: run.name })} title=${run.why}>${shown(own)}</a>
    <span class="run-about">${run.kind === "pipeline" ? count(run.stages.length, "stage") : run.kind}${run.depth ? ""
      : html` · ${shown(run.model)}`}</span>
  </span>`;
}

// A pipeline is followed by its stages in their order; whatever is filtered, they stay together.
function arranged(runs, params, sort) {
  const key = sort.replace(/^-/, "");
  const way = sort.startsWith("-") ? -1 : 1;
  const text = (params.name ?? "").toLowerCase();
  const told = (run) => (!params.status || run.status === params.status)
    && `${run.name} ${run.model} ${run.kind}`.toLowerCase().includes(text);
  const names = new Set(runs.map((run) => run.name));
  const within = (run) => run.part_of !== null && run.part_of !== undefined && names.has(run.part_of);
  const stages = (run) => inTurn(runs.filter((each) => each.part_of === run.name && within(each)), run.stages);
  const families = runs.filter((run) => !within(run)).map((run) => ({ run, stages: stages(run) }));
  families.sort((a, b) => {
    const [one, other] = [a.run[key], b.run[key]];
    if (one == null || other == null) return (one == null) - (other == null);
    return way * (typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other);
  });
  return families.flatMap(({ run, stages }) => {
    const kept = stages.filter(told).map((each) => ({ ...each, depth: 1 }));
    return told(run) || kept.length ? [run, ...kept] : [];
  });
}

// stages are listed by their names; their runs are called NN-NAME
function inTurn(cards, names) {
  const place = (card) => (names ?? []).findIndex((name) => card.name.endsWith(`-${name}`)
    || card.name.endsWith(`/${name}`));
  return [...cards].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
}
