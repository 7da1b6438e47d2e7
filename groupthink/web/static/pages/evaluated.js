// What a run's evaluations found on problems that training never saw, and how the chains reason.

import { html } from "../parts/html.js";
import { Table } from "../parts/table.js";
import { Interval } from "../parts/figures.js";
import { known, percent, number } from "../parts/text.js";

export function Evaluations({ evaluations }) {
  if (!evaluations.length) return null;
  const share = (key, title, note) => ({ key, title, note, align: "right", render: (row) => percent(row[key]) });
  const columns = [
    { key: "name", title: "when", head: true, render: (row) =>
      (/^step-/.test(row.name) ? `after ${number(row.step)} steps` : row.name) },
    {
      key: "pass@1", title: "pass@1", align: "right",
      render: (row) => html`<strong>${percent(row["pass@1"])}</strong> <${Interval} low=${row["pass@1_low"]}
        high=${row["pass@1_high"]} />`,
    },
    share("greedy", "greedy"),
    share("maj@k", "maj@k"),
    share("pass@k", "pass@k"),
    share("lenient", "lenient"),
    share("format", "well formed"),
    { key: "length", title: "tokens", align: "right", render: (row) =>
      number(known(row.length) ? Math.round(row.length) : null) },
    { key: "problems", title: "problems × samples", align: "right", render: (row) =>
      `${number(row.problems)} × ${number(row.samples)}` },
  ].filter((column) => !["greedy", "maj@k", "pass@k", "lenient", "format"].includes(column.key)
    || evaluations.some((row) => known(row[column.key])));
  return html`<section class="section" aria-labelledby="evaluated">
    <h2 id="evaluated">On held-out problems</h2>
    <${Table} columns=${columns} rows=${evaluations} caption="Evaluations on held-out problems" rowKey=${(row) =>
      row.name} />
    <p class="curve-note">k is the number of samples to a problem; intervals are 95 %.</p>
  </section>`;
}

// Each trait's share of the responses, first and last, and how many of those are right
export function Traits({ evaluations }) {
  const there = evaluations.filter((one) => one.traits && Object.keys(one.traits).length);
  if (!there.length) return null;
  const [first, last] = [there[0], there.at(-1)];
  const names = [...new Set([...Object.keys(last.traits), ...Object.keys(first.traits)])];
  const of = (one, name, key) => one.traits[name]?.[key] ?? (key === "share" ? 0 : null);
  const rows = names.map((name) => ({ name, change: of(last, name, "share") - of(first, name, "share") }));
  const two = first !== last;
  const columns = [
    { key: "name", title: "how it reasons", head: true },
    ...(two ? [{ key: "before", title: first.name, align: "right", render: ({ name }) =>
      percent(of(first, name, "share"), 0) }] : []),
    { key: "slope", title: "", render: ({ name }) => html`<${Slope} from=${two ? of(first, name, "share") : 0}
      to=${of(last, name, "share")} two=${two} />` },
    { key: "after", title: last.name, align: "right", render: ({ name }) => percent(of(last, name, "share"), 0) },
    { key: "right", title: two ? "of those right" : "right", align: "right", render: ({ name }) => html`${two
      ? html`<span class="muted">${percent(of(first, name, "accuracy"), 0)} → </span>`
      : null}${percent(of(last, name, "accuracy"), 0)}` },
  ];
  return html`<section class="section" aria-labelledby="traits">
    <h2 id="traits">How it reasons</h2>
    <${Table} columns=${columns} rows=${rows} caption="Traits of the chains: share of responses" rowKey=${(row) =>
      row.name} />
  </section>`;
}

// two shares as a line from left to right
export function Slope({ from, to, two = true, width = 56, height = 20 }) {
  if (!known(to)) return null;
  const y = (share) => height - 3 - (height - 6) * Math.min(Math.max(share, 0), 1);
  const way = !two || !known(from) || Math.abs(to - from) < 0.005 ? "flat" : to > from ? "up" : "down";
  return html`<svg class=${`slope slope-${way}`} width=${width} height=${height} aria-hidden="true">
    <line class="slope-floor" x1="0" x2=${width} y1=${height - 2.5} y2=${height - 2.5} />
    ${two && known(from) ? html`<line x1="4" y1=${y(from)} x2=${width - 4} y2=${y(to)} /><circle cx="4" cy=${y(from)}
      r="2" />` : null}
    <circle cx=${width - 4} cy=${y(to)} r="2.4" />
  </svg>`;
}
