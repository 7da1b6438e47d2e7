// What a run's evaluations found on problems that training never saw, and how the chains reason.

import { html } from "../parts/html.js";
import { Table } from "../parts/table.js";
import { Interval } from "../parts/figures.js";
import { known, percent, number } from "../parts/text.js";

const SHARES = [
  ["greedy", "greedy"],
  ["maj@k", "maj@k"],
  ["pass@k", "pass@k"],
  ["lenient", "lenient"],
  ["format", "well formed"],
];

export function Evaluations({ evaluations }) {
  if (!evaluations.length) return null;
  const shares = SHARES.filter(([key]) => evaluations.some((row) => known(row[key])));
  const columns = [
    { key: "name", title: "when", head: true, class: "nowrap", render: when },
    { key: "pass@1", title: "pass@1", align: "right", class: "nowrap", render: (row) => html`<${Sure} row=${row} />` },
    ...shares.map(([key, title]) => ({ key, title, align: "right", render: (row) => percent(row[key]) })),
    { key: "length", title: "tokens", align: "right", render: (row) => number(row.length && Math.round(row.length)) },
    { key: "problems", title: "problems × samples", align: "right", render: sizes },
  ];
  return html`<section class="section" aria-labelledby="evaluated">
    <h2 id="evaluated">On held-out problems</h2>
    <${Table} columns=${columns} rows=${evaluations} caption="On held-out problems" kind="table-tight"
      rowKey=${(row) => row.name} />
    <p class="curve-note">k is the number of samples to a problem; intervals are 95%, by
      resampling the problems; [–] where all of them gave the same, which tells none.</p>
  </section>`;
}

function when(row) {
  return /^step-/.test(row.name) ? `after ${number(row.step)} steps` : row.name;
}

function Sure({ row }) {
  return html`<strong>${percent(row["pass@1"])}</strong>${" "}
    <${Interval} low=${row["pass@1_low"]} high=${row["pass@1_high"]} />`;
}

function sizes(row) {
  return `${number(row.problems)} × ${number(row.samples)}`;
}

// Each trait's share of the responses, first and last, and how many of those are right
export function Traits({ evaluations }) {
  const there = evaluations.filter((one) => one.traits && Object.keys(one.traits).length);
  if (!there.length) return null;
  const [first, last] = [there[0], there.at(-1)];
  const two = first !== last;
  const names = [...new Set([...Object.keys(last.traits), ...Object.keys(first.traits)])];
  const share = (one, name) => one.traits[name]?.share ?? 0;
  const right = (one, name) => percent(one.traits[name]?.accuracy, 0);
  const rows = names.map((name) => ({ name, before: two ? share(first, name) : null, after: share(last, name) }));
  const columns = [
    { key: "name", title: "trait", head: true },
    ...(two ? [{ key: "before", title: first.name, align: "right", render: (row) => percent(row.before, 0) }] : []),
    {
      key: "slope",
      title: html`<span class="hidden">slope</span>`,
      render: (row) => html`<${Slope} from=${row.before} to=${row.after} two=${two} />`,
    },
    { key: "after", title: last.name, align: "right", render: (row) => percent(row.after, 0) },
    {
      key: "right",
      title: two ? "of those right" : "right",
      align: "right",
      render: ({ name }) =>
        html`${two ? html`<span class="muted">${right(first, name)} → </span>` : null}${right(last, name)}`,
    },
  ];
  return html`<section class="section" aria-labelledby="traits">
    <h2 id="traits">How it reasons</h2>
    <${Table} columns=${columns} rows=${rows} caption="Traits of the chains" kind="table-narrow"
      rowKey=${(row) => row.name} />
    <p class="curve-note">the share of responses that do it, held out</p>
  </section>`;
}

// two shares as a line from left to right
export function Slope({ from, to, two = true, width = 56, height = 20 }) {
  if (!known(to)) return null;
  const y = (share) => height - 3 - (height - 6) * Math.min(Math.max(share, 0), 1);
  const drawn = two && known(from);
  const way = !drawn || Math.abs(to - from) < 0.005 ? "flat" : to > from ? "up" : "down";
  return html`<svg class=${`slope slope-${way}`} width=${width} height=${height} aria-hidden="true">
    <line class="slope-floor" x1="0" x2=${width} y1=${height - 2.5} y2=${height - 2.5} />
    ${drawn && html`<line x1="4" y1=${y(from)} x2=${width - 4} y2=${y(to)} /><circle cx="4" cy=${y(from)} r="2" />`}
    <circle cx=${width - 4} cy=${y(to)} r="2.4" />
  </svg>`;
}
