// Several runs side by side: curves on common axes, headline figures, and the settings in which they differ.

import { html, useMemo } from "../parts/html.js";
import { asList, link, listOf, rangeOf, toggled } from "../parts/route.js";
import { Failed, Loading, useAll } from "../parts/page.js";
import { Curve } from "../parts/chart.js";
import { joined, lastOf } from "../parts/chart_data.js";
import { Table } from "../parts/table.js";
import { Change } from "../parts/figures.js";
import { percent, number, fixed, shown } from "../parts/text.js";
import { settingsOf } from "./settings.js";
import { smoothing, Smoothing } from "./smoothing.js";
import { Stretch } from "./stretch.js";

const CURVES = [
  { metric: "reward", title: "Reward" },
  { metric: "evaluations", title: "Accuracy, held out", share: true },
  { metric: "rewards/accuracy/mean", title: "Accuracy, in training", share: true },
  { metric: "completions/mean_length", title: "Tokens a response" },
  { metric: "entropy", title: "Entropy, nats a token" },
  { metric: "kl", title: "KL, nats a token" },
];
const FEW = 12; // differences that are shown unfolded

export function Compared({ names, params, set, turn }) {
  const found = useAll("/api/run", names.map((run) => ({ run })), turn);
  const runs = found.map((one) => one.data).filter(Boolean);
  const titles = useMemo(() => shortest(runs.map((run) => run.name)), [runs.map((run) => run.name).join("\n")]);
  const failed = found.map((one) => one.error).filter(Boolean);
  const failures = failed.map((error) => html`<${Failed} error=${error} />`);
  if (!runs.length) return failed.length ? failures : html`<${Loading} what="Reading the runs" />`;
  const longest = Math.max(...runs.map((run) => run.done));
  const smooth = smoothing(params.smooth, longest);
  const [range, tables] = [rangeOf(params.zoom), listOf(params.tables)];
  const onRange = (next) => set({ zoom: next && next.join("-") });
  const [first, last] = [Math.min(...runs.map((run) => run.first)), Math.max(...runs.map(lastStep))];
  return html`<section class="section" aria-label="side by side">
    <div class="section-head">
      <h2>Side by side</h2>
      <${Smoothing} value=${smooth} steps=${longest} every=${Math.max(...runs.map((run) => run.every))}
        onChange=${(next) => set({ smooth: next })} />
      ${last > first && html`<${Stretch} range=${range} first=${first} last=${last} onChange=${onRange} />`}
    </div>
    ${failures}
    <div class="curves">${CURVES.map(
      (curve) => html`<${Common} key=${curve.metric} curve=${curve} runs=${runs} titles=${titles} smooth=${smooth}
        range=${range} onRange=${onRange} asTable=${tables.includes(curve.metric)}
        onTable=${() => set({ tables: asList(toggled(tables, curve.metric)) })} />`,
    )}</div>
    <${Headlines} runs=${runs} titles=${titles} />
    <${Differences} runs=${runs} titles=${titles} />
  </section>`;
}

function lastStep(run) {
  return run.steps_axis.at(-1) ?? 0;
}

function Common({ curve: { metric, title, share }, runs, titles, ...shared }) {
  const points = metric === "evaluations";
  const { x, series } = useMemo(() => {
    const { x, columns } = joined(runs.map((run) => (points ? evaluated(run) : stepped(run, metric))));
    const all = columns.map((values, at) => ({ name: titles[at], values, points, colour: (at % 7) + 1 }));
    return { x, series: all.filter((one) => one.values.some((value) => value !== null)) };
  }, [runs.map((run) => `${run.name} ${run.done} ${run.evaluations.length}`).join("\n"), titles]);
  if (!series.length) return null;
  return html`<${Curve} title=${title} x=${x} series=${series} syncKey="compared" ...${shared}
    format=${share ? (value) => percent(value) : number}
    axisFormat=${share ? (value) => percent(value, 0) : number} />`;
}

function evaluated(run) {
  return { x: run.evaluations.map((one) => one.step), values: run.evaluations.map((one) => one["pass@1"]) };
}

function stepped(run, metric) {
  return { x: run.steps_axis, values: run.series[metric] ?? [] };
}

function Headlines({ runs, titles }) {
  const rows = runs.map((run, at) => ({
    run,
    title: titles[at],
    colour: (at % 7) + 1,
    reward: lastOf(run.series.reward ?? []),
    length: lastOf(run.series["completions/mean_length"] ?? []),
    first: run.evaluations[0]?.["pass@1"],
    last: run.evaluations.at(-1) ?? {},
  }));
  const columns = [
    { key: "title", title: "run", head: true, class: "nowrap", render: (row) => html`<${Name} row=${row} />` },
    { key: "done", title: "steps", align: "right", render: (row) => number(row.run.done) },
    { key: "reward", title: "reward", align: "right", render: (row) => fixed(row.reward, 3) },
    {
      key: "accuracy",
      title: "accuracy, held out",
      align: "right",
      render: ({ first, last }) => html`<${Change} before=${first} after=${last["pass@1"]}
        low=${last["pass@1_low"]} high=${last["pass@1_high"]} />`,
    },
    { key: "length", title: "tokens", align: "right", render: (row) => number(row.length && Math.round(row.length)) },
    { key: "objective", title: "objective", render: (row) => shown(row.run.objective ?? "–") },
    { key: "estimator", title: "advantage", render: (row) => shown(row.run.estimator ?? "–") },
  ];
  return html`<${Table} columns=${columns} rows=${rows} caption="Headline figures" rowKey=${(row) => row.run.name} />`;
}

function Name({ row }) {
  return html`<span class=${`ink-${row.colour}`} aria-hidden="true">━ </span>
    <a href=${link("run", { run: row.run.name })}>${shown(row.title)}</a>`;
}

function Differences({ runs, titles }) {
  const settings = runs.map((run) => settingsOf(run.recipe ?? ""));
  const names = [...new Set(settings.flatMap((one) => [...one.keys()]))];
  const rows = names.filter((name) => new Set(settings.map((one) => one.get(name))).size > 1).map((name) => ({ name }));
  if (runs.length < 2) return html`<p class="muted">Choose another run below to see both on the same axes.</p>`;
  if (!rows.length) return html`<p class="muted">Their settings are the same.</p>`;
  const value = (at) => (row) => html`<code>${shown(settings[at].get(row.name) ?? "–")}</code>`;
  const columns = [
    { key: "name", title: "setting", head: true, render: (row) => html`<code>${row.name}</code>` },
    ...titles.map((title, at) => ({ key: `v${at}`, title: shown(title), render: value(at) })),
  ];
  return html`<details class="fold" open=${rows.length <= FEW}>
    <summary>Settings in which they differ (${rows.length})</summary>
    <${Table} columns=${columns} rows=${rows} caption="Settings in which the runs differ" quiet=${true} />
  </details>`;
}

// the last parts of the names that tell the runs apart
function shortest(names) {
  const last = (name, parts) => name.split("/").slice(-parts).join("/");
  for (const parts of [1, 2, 3]) {
    const short = names.map((name) => last(name, parts));
    if (new Set(short).size === names.length) return short;
  }
  return names;
}
