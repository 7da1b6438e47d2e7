// All figures of each token of a response, a page at a time.

import { html } from "./html.js";
import { isReply, shownValue } from "./heat.js";
import { Table } from "./table.js";
import { count, number } from "./text.js";
import { visible } from "./tokens.js";

const ROWS = 200; // tokens of a page
const COLUMNS = [
  ["logprob", "log-probability"],
  ["learner_logprob", "learner's"],
  ["reference_logprob", "reference's"],
  ["ratio", "ratio"],
  ["kl", "KL"],
  ["entropy", "entropy"],
  ["clipped", "clipped"],
  ["advantage", "advantage"],
  ["change", "change"],
  ["version", "version"],
];

// from: the first token of the page, undefined for the page of the token `at`; onFrom(the first of another page)
export function TokenTable({ tokens, from, at, onFrom }) {
  const length = tokens.id.length;
  const page = /^\d+$/.test(from ?? "") ? Number(from) : ROWS * Math.floor((at ?? 0) / ROWS);
  const start = Math.min(page, ROWS * Math.floor(Math.max(0, length - 1) / ROWS));
  const end = Math.min(length, start + ROWS);
  const rows = tokens.id.slice(start, end).map((id, i) => ({ i: start + i, id }));
  const there = COLUMNS.filter(([key]) => tokens[key] && tokens[key].some((value) => value !== null));
  const columns = [
    { key: "i", title: "#", align: "right", render: (row) => number(row.i) },
    { key: "text", title: "token", head: true, render: (row) => html`<${Piece} tokens=${tokens} i=${row.i} />` },
    { key: "id", title: "id", align: "right" },
    ...there.map(([key, title]) => ({
      key,
      title,
      align: "right",
      render: (row) => shownValue(key, tokens[key][row.i]),
    })),
  ];
  const before = () => onFrom(Math.max(0, start - ROWS));
  return html`<section aria-label="table of tokens">
    <p class="pager">
      <button type="button" disabled=${start === 0} onClick=${before}>‹ before</button>
      <span>tokens ${number(start)} to ${number(end - 1)} of ${count(length, "token")}</span>
      <button type="button" disabled=${end >= length} onClick=${() => onFrom(end)}>after ›</button>
    </p>
    <${Table}
      caption="tokens of the response, with their figures" columns=${columns} rows=${rows}
      rowKey=${(row) => row.i} rowClass=${(row) => (row.i === at ? "row-chosen" : null)}
    />
  </section>`;
}

function Piece({ tokens, i }) {
  const strange = isReply(tokens, i);
  return html`<code>${visible(tokens, i)}</code>${strange ? html` <span class="muted">reply</span>` : null}`;
}
