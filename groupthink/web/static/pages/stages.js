// A pipeline: its stages in their order, and how far each brought the model.

import { html } from "../parts/html.js";
import { offers } from "../parts/api.js";
import { link } from "../parts/route.js";
import { useData, Failed } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Status, Spark, Change, Progress, Figures } from "../parts/figures.js";
import { known, number, shown } from "../parts/text.js";

const PITCH = 96; // pixels from one stage to the next
const LEFT = 40;
const HEIGHT = 124;

export function Stages({ run, turn }) {
  const found = useData(offers("/api/runs") ? "/api/runs" : null, {}, turn);
  if (!run.stages?.length) return null;
  const cards = new Map((found.data?.runs ?? []).map((card) => [card.name, card]));
  const rows = run.stages.map((stage, place) => ({ ...stage, place: place + 1, card: cards.get(stage.run) ?? {} }));
  return html`<section class="section" aria-labelledby="stages">
    <h2 id="stages">Stages</h2>
    ${found.error && html`<${Failed} error=${found.error} />`}
    <${Whole} card=${cards.get(run.name)} />
    <${Ladder} rows=${rows.filter((row) => known(row.card.accuracy))} />
    <${Table} columns=${COLUMNS} rows=${rows} caption="The stages in their order" kind="table-runs"
      rowKey=${(row) => row.name} />
  </section>`;
}

// what all of them came to together
function Whole({ card }) {
  if (!known(card?.accuracy)) return null;
  const { accuracy_before: before, accuracy, accuracy_low: low, accuracy_high: high } = card;
  return html`<${Figures} figures=${[
    ["accuracy, held out", html`<${Change} before=${before} after=${accuracy} low=${low} high=${high} />`],
  ]} />`;
}

const COLUMNS = [
  {
    key: "place",
    title: html`<span class="hidden">place</span>`,
    align: "right",
    render: (row) => html`<span class="muted">${row.place}</span>`,
  },
  { key: "name", title: "stage", head: true, render: (row) => html`<${Name} row=${row} />` },
  { key: "kind", title: "kind", class: "wide", render: (row) => shown(row.kind) },
  { key: "status", title: "status", render: (row) => html`<${Status} status=${row.status} why=${row.card.why} />` },
  { key: "spark", title: "reward over steps", render: (row) => html`<${Spark} values=${row.card.spark} />` },
  {
    key: "accuracy",
    title: "accuracy, held out",
    align: "right",
    render: ({ card }) => html`<${Change} before=${card.accuracy_before} after=${card.accuracy}
      low=${card.accuracy_low} high=${card.accuracy_high} />`,
  },
  {
    key: "length",
    title: "tokens",
    align: "right",
    render: ({ card }) => number(known(card.length) ? Math.round(card.length) : null),
  },
  {
    key: "done",
    title: "steps",
    align: "right",
    render: (row) => html`<${Progress} done=${row.done ?? row.card.done ?? 0} steps=${row.steps ?? row.card.steps} />`,
  },
];

function Name({ row }) {
  const name = row.run ? html`<a href=${link("run", { run: row.run })}>${shown(row.name)}</a>` : shown(row.name);
  return html`${name}${row.require ? html` <span class="run-about">must reach ${shown(row.require)}</span>` : null}`;
}

// The accuracy after each stage, in one picture: from the base on, a dot with its interval
function Ladder({ rows }) {
  if (rows.length < 2) return null;
  const first = rows[0].card.accuracy_before;
  const points = [
    ...(known(first) ? [{ name: "base", value: first }] : []),
    ...rows.map(({ name, card }) => ({
      name,
      value: card.accuracy,
      low: card.accuracy_low,
      high: card.accuracy_high,
    })),
  ].map((point, at) => ({ ...point, x: LEFT + 24 + at * PITCH }));
  const width = LEFT + points.length * PITCH;
  const y = (share) => 14 + (HEIGHT - 36) * (1 - share);
  const words = points.map((point) => `${point.name} ${Math.round(100 * point.value)}%`).join(", ");
  return html`<div class="table-wrap" tabindex="0" role="region" aria-label="accuracy after each stage">
    <svg class="ladder" width=${width} height=${HEIGHT} role="img" aria-label=${`accuracy after each stage: ${words}`}>
      ${[0, 0.5, 1].map(
        (share) => html`<g key=${share}>
          <line class="ladder-grid" x1=${LEFT - 6} x2=${width} y1=${y(share)} y2=${y(share)} />
          <text class="strip-label" x=${LEFT - 10} y=${y(share) + 3} text-anchor="end">${100 * share}%</text>
        </g>`,
      )}
      <polyline class="ladder-line" points=${points.map((point) => `${point.x},${y(point.value)}`).join(" ")} />
      ${points.map((point) => html`<${Rung} key=${point.name} point=${point} y=${y} />`)}
    </svg>
  </div>`;
}

function Rung({ point: { name, value, low, high, x }, y }) {
  return html`<g>
    ${known(low) && html`<line class="ladder-interval" x1=${x} x2=${x} y1=${y(low)} y2=${y(high)} />`}
    <circle class="ladder-dot" cx=${x} cy=${y(value)} r="3.5" />
    <text class="ladder-value" x=${x + 8} y=${y(value) + (value > 0.85 ? 12 : -5)}>${Math.round(100 * value)}%</text>
    <text class="strip-label" x=${x} y=${HEIGHT - 4} text-anchor="middle">${shown(name)}</text>
  </g>`;
}
