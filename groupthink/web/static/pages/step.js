// One step: each of its groups as a strip of dots on the axis of reward, and all responses by length and reward.

import { html, useMemo, useState } from "../parts/html.js";
import { useFollow } from "../parts/api.js";
import { DotLegend, Strip } from "../parts/dots.js";
import { useKeys } from "../parts/keys.js";
import { beside, Near } from "../parts/near.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { ends } from "../parts/scale.js";
import { readBrush, Scatter, within, writeBrush } from "../parts/scatter.js";
import { CONDITIONS, KINDS, measuredGroups, sieved } from "../parts/sieve.js";
import { inOrder, Table } from "../parts/table.js";
import { count, fixed, known, number, oneLine, percent, shown } from "../parts/text.js";

const AT_ONCE = 100; // groups that are drawn until more are asked for
const HEADLINES = [
  ["reward", "reward", number],
  ["rewards/accuracy/mean", "accuracy", percent],
  ["frac_reward_zero_std", "groups of equal reward", percent],
  ["completions/mean_length", "tokens", number],
  ["completions/clipped_ratio", "cut off", percent],
  ["entropy", "entropy", number],
  ["kl", "KL", number],
  ["clip_ratio/region_mean", "clipped", percent],
  ["grad_norm", "gradient norm", number],
];

export default function Step({ params }) {
  const { run, step } = params;
  const found = useData("step", { run, step });
  const newest = !found.data || Number(step) >= (found.data.last ?? 0);
  useFollow(newest ? run : undefined, (events) => events.some((event) => event.kind !== "status") && found.reload());
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
  ];
  return html`<${Page} title=${`Step ${step}`} crumbs=${crumbs} aside=${found.data && html`<${Ways} data=${found.data}
    params=${params} />`}>
    <${Waited} found=${found} what="Reading the step">${(data) => html`<${Body} data=${data}
      params=${params} />`}</${Waited}>
  </${Page}>`;
}

function Ways({ data, params }) {
  const [first, last] = [data.first ?? 0, data.last ?? 0];
  const links = beside("step", params, "step", params.step, first, last, ["step", "next step"], [",", "."]);
  return html`<${Near} label="other steps" links=${links} />`;
}

function Body({ data, params }) {
  const set = (changes) => go("step", { ...params, ...changes }, true);
  const brush = readBrush(params.brush);
  const groups = useMemo(() => measuredGroups(data.groups), [data]);
  const responses = useMemo(() => groups.flatMap((group) => group.responses), [groups]);
  const kept = sieved(groups, { kind: params.kind, part: params.part, is: params.is, brush });
  useKeys({ j: () => stride(1), k: () => stride(-1) });
  const teaching = groups.filter((group) => group.gradient).length;
  return html`<div class="step-page">
    <p class="story">${count(groups.length, "problem")}, ${count(responses.length, "response")}. ${lesson(teaching, groups.length)}</p>
    <${Headlines} metrics=${data.metrics ?? {}} />
    <div class="step-two">
    <section class="step-scatter" aria-labelledby="scatter-title">
      <h2 id="scatter-title">Length against reward</h2>
      <${Scatter} responses=${responses} brush=${brush} onBrush=${(next) => set({ brush: writeBrush(next) })} />
      <${Points} groups=${groups} brush=${brush} where=${params} open=${params.points} onOpen=${(open) =>
        set({ points: open ? "1" : null })} />
    </section>
    <section aria-labelledby="groups-title">
      <h2 id="groups-title">Groups</h2>
      <${Sieve} groups=${groups} parts=${data.parts ?? []} params=${params} set=${set} />
      <${DotLegend} />
      <p role="status"
        class="muted">${kept.length === groups.length ? "all groups" : `${number(kept.length)} of ${groups.length} groups`}${
        brush ? ", with responses in the rectangle" : ""
      }</p>
      <${Strips} groups=${kept} all=${responses} params=${params} brush=${brush} onSort=${(sort) => set({ sort })} />
    </section>
    </div>
    <${AllMetrics} metrics=${data.metrics ?? {}} open=${params.metrics} onOpen=${(open) => set({ metrics: open ? "1"
      : null })} />
  </div>`;
}

function lesson(teaching, all) {
  if (teaching === all) return "Every group teaches something.";
  const told = `${count(teaching, "group")} of ${all} ${teaching === 1 ? "teaches" : "teach"} something`;
  return `${told}: in the others all advantages are 0.`;
}

function Headlines({ metrics }) {
  const there = HEADLINES.filter(([key]) => known(metrics[key]));
  if (!there.length) return null;
  return html`<dl class="facts">${there.map(([key, name, form]) => html`<div
    key=${key}><dt>${name}</dt><dd>${form(metrics[key])}</dd></div>`)}</dl>`;
}

function Sieve({ groups, parts, params, set }) {
  const kinds = KINDS.map((kind) => ({ ...kind, count: groups.filter(kind.keeps).length })).filter((kind) => kind.count
    || kind.key === params.kind);
  return html`<div class="sieve">
    <div class="choices" role="group" aria-label="which groups">
      <button type="button" aria-pressed=${!params.kind} onClick=${() => set({ kind: null })}>all <span
        class="muted">${number(groups.length)}</span></button>
      ${kinds.map((kind) => html`<button key=${kind.key} type="button" aria-pressed=${params.kind === kind.key}
        onClick=${() => set({ kind: kind.key })}>
        ${kind.name} <span class="muted">${number(kind.count)}</span></button>`)}
    </div>
    ${parts.length > 0 && html`<label>part
      <select value=${params.part ?? ""} onChange=${(event) => set({ part: event.target.value || null })}>
        <option value="">any</option>
        ${parts.map((part) => html`<option key=${part} value=${part}>${shown(part)}</option>`)}
      </select></label>`}
    ${params.part && html`<label class="hidden" for="part-is">condition of the part</label>
      <select id="part-is" value=${params.is ?? CONDITIONS[0].key} onChange=${(event) =>
        set({ is: event.target.value })}>
        ${CONDITIONS.map((condition) => html`<option key=${condition.key}
          value=${condition.key}>${condition.name}</option>`)}
      </select>`}
  </div>`;
}

function Strips({ groups, all, params, brush, onSort }) {
  const [most, setMost] = useState(AT_ONCE);
  const [min, max] = ends(all.map((one) => one.reward));
  const sort = params.sort ?? "group";
  const { run, step } = params;
  const columns = [
    { key: "group", title: "group", align: "right", class: "strip-number" },
    {
      key: "problem", title: "problem", head: true, class: "strip-problem",
      render: (group) => html`<a class="strip-link"
        href=${link("group", { run, step, group: group.group })}>${oneLine(group.prompt, 80)}</a>`,
    },
    {
      key: "strip", title: "responses on the axis of reward", sortable: false, class: "strip-cell",
      render: (group) => html`<${Strip} responses=${group.responses} mean=${group.mean} min=${min} max=${max}
        faint=${brush ? (one) => !within(one, brush) : null}
        onPick=${(response) => go("group", { run, step, group: group.group, at: response })} />`,
    },
    { key: "mean", title: "average", align: "right", class: "strip-figure", render: (group) =>
      figure("average", number(group.mean)) },
    { key: "spread", title: "spread", align: "right", class: "strip-figure", note: "standard deviation of the rewards",
      render: (group) => figure("spread", number(group.spread, 2)) },
    { key: "length", title: "tokens", align: "right", class: "strip-figure", render: (group) =>
      figure("tokens", number(Math.round(group.length))) },
    {
      key: "pull", title: "gradient", align: "right", class: "strip-figure", note: "mean size of the advantages",
      render: (group) => (group.gradient === false ? html`<span class="no-pull"
        title="all advantages are 0">none</span>` : figure("gradient", fixed(group.pull, 2))),
    },
  ];
  return html`<div class="strips"><${Table} caption="the groups of the step" columns=${columns}
    rows=${inOrder(groups, columns, sort).slice(0, most)}
      sort=${sort} onSort=${onSort} presorted=${true} rowKey=${(group) => group.group} rowClass=${() =>
        "strip-row"} /></div>
    ${groups.length > most && html`<button type="button" onClick=${() =>
      setMost(most + AT_ONCE)}>${count(groups.length - most, "more group")}</button>`}`;
}

function figure(name, text) {
  return html`<span class="figure-name">${name} </span>${text}`;
}

// The table behind the scatter: the responses in the rectangle, or all
function Points({ groups, brush, where, open, onOpen }) {
  const rows = groups.flatMap((group) => group.responses.filter((one) => !brush || within(one, brush)).map((one) =>
    ({ ...one, group: group.group })));
  const { run, step } = where;
  const columns = [
    { key: "group", title: "group", align: "right" },
    { key: "response", title: "response", align: "right", head: true, render: (one) => html`<a
      href=${link("response", { run, step, group: one.group, response: one.response })}>${one.response}</a>` },
    { key: "length", title: "tokens", align: "right" },
    { key: "reward", title: "reward", align: "right", render: (one) => number(one.reward) },
    { key: "advantage", title: "advantage", align: "right", render: (one) => number(one.advantage) },
    { key: "note", title: "why", render: (one) => shown(one.note ?? "") },
  ];
  return html`<details class="fold" open=${Boolean(open)} onToggle=${(event) =>
    event.currentTarget.open !== Boolean(open) && onOpen(event.currentTarget.open)}>
    <summary>table${brush ? " of the responses in the rectangle" : ""}</summary>
    ${open && html`<${Table} caption="length and reward of responses" columns=${columns} rows=${rows.slice(0, 500)} />
      ${rows.length > 500 && html`<p
        class="muted">the first 500 of ${number(rows.length)}: a rectangle picks fewer</p>`}`}
  </details>`;
}

function AllMetrics({ metrics, open, onOpen }) {
  const rows = Object.entries(metrics).filter(([, value]) => known(value)).map(([name, value]) => ({ name, value }));
  const columns = [
    { key: "name", title: "figure", head: true },
    { key: "value", title: "value", align: "right", render: (row) => number(row.value, 5) },
  ];
  return html`<details class="fold" open=${Boolean(open)} onToggle=${(event) =>
    event.currentTarget.open !== Boolean(open) && onOpen(event.currentTarget.open)}>
    <summary>all figures of this step</summary>
    ${open && html`<${Table} caption="figures of the step" columns=${columns} rows=${rows} />`}
  </details>`;
}

// j and k go from group to group: the next link of the list gets the focus
function stride(by) {
  const links = [...document.querySelectorAll(".strip-link")];
  const at = links.indexOf(document.activeElement);
  const to = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by];
  if (!to) return;
  to.focus();
  to.scrollIntoView({ block: "nearest" });
}
