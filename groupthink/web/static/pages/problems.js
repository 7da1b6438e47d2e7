// All problems that a run has met: how often, and how the share of right answers went.

import { html, useState, useEffect } from "../parts/html.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Slope } from "./evaluated.js";
import { number, percent, fixed, oneLine, count, shown } from "../parts/text.js";

const KINDS = [
  ["mixed", "some right"],
  ["right", "all right"],
  ["wrong", "all wrong"],
  ["held-out", "held out"],
];
const AGAIN = 700; // milliseconds after which it is asked how far the reading has come

export default function Problems({ params }) {
  const { run } = params;
  const [turn, setTurn] = useState(0);
  const sort = params.sort ?? "visits";
  const found = useData("/api/problems", { run, sort, kind: params.kind, page: params.page }, turn);
  const reading = found.data && found.data.steps < found.data.of;
  useEffect(() => {
    const timer = reading ? setTimeout(() => setTurn(turn + 1), AGAIN) : null;
    return () => clearTimeout(timer);
  }, [reading, found.data]);
  const set = (changes) => go("problems", { ...params, page: null, ...changes });
  const crumbs = [{ text: "Runs", href: link("runs") }, { text: run ?? "", href: link("run", { run }) }];
  return html`<${Page} title="Problems" crumbs=${crumbs}>
    <div class="controls">
      <fieldset><legend>kind</legend>${KINDS.map(
        ([kind, title]) => html`<button key=${kind} type="button" class="choice" aria-pressed=${params.kind === kind}
          onClick=${() => set({ kind: params.kind === kind ? null : kind })}>${title}</button>`,
      )}</fieldset>
      <span class="muted" role="status">${found.data ? count(found.data.total, "problem") : ""}${
        reading ? `; ${number(found.data.steps)} of ${count(found.data.of, "step")} read` : ""}</span>
    </div>
    <${Waited} found=${found} what="Reading the problems">${(data) =>
      data.problems.length
        ? html`<${List} data=${data} run=${run} sort=${sort} set=${set} /><${Pages} data=${data} params=${params} />`
        : html`<${Empty}>There are no such problems.</${Empty}>`}</${Waited}>
  </${Page}>`;
}

// the server sorts, by names of its own
function List({ data, run, sort, set }) {
  const columns = [
    {
      key: "name", title: "problem", head: true,
      render: (row) => html`<a class="problem-line"
        href=${link("problem", { run, problem: row.problem })}>${oneLine(row.prompt) || shown(row.problem)}</a>`,
    },
    { key: "visits", title: "visits", align: "right", render: (row) => number(row.visits) },
    { key: "steps", title: "steps", align: "right", sortable: false, render: (row) => html`<span
      class="nowrap">${row.first_step === row.last_step ? row.first_step : `${row.first_step} … ${row.last_step}`}</span>` },
    { key: "rate", title: "right", align: "right", render: (row) => percent(row.rate, 0) },
    { key: "gain", title: "first → last visit", align: "right", render: (row) => html`<span class="nowrap"><span
      class="muted">${percent(row.rate_first, 0)} → </span>${percent(row.rate_last, 0)}</span>` },
    { key: "slope", title: html`<span class="hidden">slope</span>`, sortable: false, render: (row) => (row.visits > 1
      ? html`<${Slope} from=${row.rate_first} to=${row.rate_last} />` : null) },
    { key: "mean", title: "reward", align: "right", sortable: false, render: (row) => fixed(row.mean, 3) },
  ];
  return html`<${Table} columns=${columns} rows=${data.problems} presorted=${true} sort=${SHOWN_AS[sort] ?? sort}
    onSort=${(next) => set({ sort: next.replace(/^-/, "") })} caption="Problems" rowKey=${(row) => row.problem} />`;
}

const SHOWN_AS = { visits: "-visits", rate: "-rate", gain: "-gain" };

function Pages({ data, params }) {
  if (data.pages < 2) return null;
  const to = (page) => link("problems", { ...params, page });
  return html`<nav class="pages" aria-label="pages of the list">
    ${data.page > 1 ? html`<a href=${to(data.page - 1)} rel="prev">previous</a>` : html`<span
      class="muted">previous</span>`}
    <span>page ${data.page} of ${number(data.pages)}</span>
    ${data.page < data.pages ? html`<a href=${to(data.page + 1)} rel="next">next</a>` : html`<span
      class="muted">next</span>`}
  </nav>`;
}
