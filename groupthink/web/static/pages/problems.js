// All problems that a run has met, in training or in evaluations: how often, and how the share of right answers went.

import { html, useState, useEffect } from "../parts/html.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { known, number, percent, fixed, oneLine, count, shown } from "../parts/text.js";
import { Slope } from "./evaluated.js";

const WHICH = [
  [undefined, "all"],
  ["held-out", "held out"],
  ["trained", "trained on"],
];
const WENT = [
  ["mixed", "some right"],
  ["right", "all right"],
  ["wrong", "all wrong"],
];
const SORTED_AS = { visits: "-visits", rate: "rate", gain: "-gain", name: "name" }; // the server's words for an order
const AGAIN = 700; // milliseconds after which it is asked how far the reading has come

export default function Problems({ params }) {
  const { run, kind } = params;
  const [turn, setTurn] = useState(0);
  const sort = params.sort ?? "visits";
  const found = useData("/api/problems", { run, sort, kind, page: params.page }, turn);
  const reading = found.data && found.data.steps < found.data.of;
  useEffect(() => {
    const timer = reading ? setTimeout(() => setTurn(turn + 1), AGAIN) : null;
    return () => clearTimeout(timer);
  }, [reading, found.data]);
  const set = (changes) => go("problems", { ...params, page: null, ...changes });
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run ?? "", href: link("run", { run }) },
  ];
  return html`<${Page} title="Problems" crumbs=${crumbs}>
    <div class="controls">
      <${Kinds} legend="problems" kinds=${WHICH} kind=${kind} set=${set} />
      <${Kinds} legend="trained on, at the last visit" kinds=${WENT} kind=${kind} set=${set} />
      <span class="muted" role="status">${found.data ? told(found.data, reading) : ""}</span>
    </div>
    <${Waited} found=${found} what="Reading the problems">${(data) => {
      const none = reading ? "There are no such problems so far." : "There are no such problems.";
      if (!data.problems.length) return html`<${Empty}>${none}</${Empty}>`;
      return html`<${List} data=${data} run=${run} sort=${sort} set=${set} />
        <${Pages} data=${data} params=${params} />`;
    }}</${Waited}>
  </${Page}>`;
}

function Kinds({ legend, kinds, kind, set }) {
  return html`<fieldset><legend>${legend}</legend>${kinds.map(
    ([name, title]) => html`<button key=${title} type="button" class="choice" aria-pressed=${kind === name}
      onClick=${() => set({ kind: kind === name ? null : name })}>${title}</button>`,
  )}</fieldset>`;
}

function told(data, reading) {
  const soFar = reading ? `, ${number(data.steps)} of ${count(data.of, "step")} read` : "";
  return `${count(data.total, "problem")}${soFar}`;
}

// the server sorts: each of its orders has one direction
function List({ data, run, sort, set }) {
  const order = (next) => set({ sort: next.replace(/^-/, "") });
  const again = data.problems.some((row) => row.visits > 1); // or there is no course to show
  const rewarded = data.problems.some((row) => known(row.mean)); // evaluations know right and wrong alone
  const told = columns(run).filter(({ key }) =>
    (again || (key !== "gain" && key !== "slope")) && (rewarded || key !== "mean"));
  return html`<${Table} columns=${told} rows=${data.problems} presorted=${true} sort=${SORTED_AS[sort]}
    onSort=${order} caption="Problems" rowKey=${(row) => row.problem} />`;
}

function columns(run) {
  return [
    { key: "name", title: "problem", head: true, render: (row) => html`<${Name} row=${row} run=${run} />` },
    { key: "visits", title: "visits", align: "right", render: (row) => number(row.visits) },
    { key: "steps", title: "visited", align: "right", class: "wide nowrap", sortable: false, render: when },
    { key: "rate", title: "right", align: "right", render: (row) => percent(row.rate, 0) },
    { key: "gain", title: "first → last", align: "right", class: "nowrap", render: gain },
    {
      key: "slope",
      title: html`<span class="hidden">slope</span>`,
      sortable: false,
      render: (row) => row.visits > 1 && html`<${Slope} from=${row.rate_first} to=${row.rate_last} />`,
    },
    {
      key: "mean",
      title: "reward",
      align: "right",
      class: "wide",
      sortable: false,
      render: (row) => fixed(row.mean, 3),
    },
  ];
}

function Name({ row, run }) {
  const target = link("problem", { run, problem: row.problem });
  return html`<a class="problem-line" href=${target}>${oneLine(row.prompt) || shown(row.problem)}</a>
    ${row.held_out && html`<span class="tag">held out</span>`}`;
}

// "at step 5", "at steps 0 to 12", of those held out "after 0 to 16 steps"
function when({ first_step: first, last_step: last, held_out: heldOut }) {
  const span = first === last ? first : `${first} to ${last}`;
  if (heldOut) return `after ${span} ${last === 1 ? "step" : "steps"}`;
  return `at ${first === last ? "step" : "steps"} ${span}`;
}

function gain(row) {
  if (row.visits < 2) return html`<span class="muted">–</span>`;
  return html`<span class="muted">${percent(row.rate_first, 0)} → </span>${percent(row.rate_last, 0)}`;
}

function Pages({ data, params }) {
  if (data.pages < 2) return null;
  const to = (page, text, rel) =>
    page < 1 || page > data.pages
      ? html`<span class="muted">${text}</span>`
      : html`<a href=${link("problems", { ...params, page: page > 1 ? page : null })} rel=${rel}>${text}</a>`;
  return html`<nav class="pages" aria-label="pages of the list">
    ${to(data.page - 1, "previous", "prev")}<span>page ${data.page} of ${number(data.pages)}</span>
    ${to(data.page + 1, "next", "next")}
  </nav>`;
}
