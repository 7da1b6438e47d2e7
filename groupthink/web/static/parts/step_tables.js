// The tables behind a step: its responses by length and reward, and all figures of the step.

import { html } from "./html.js";
import { link } from "./route.js";
import { within } from "./scatter.js";
import { Table } from "./table.js";
import { known, number, shown } from "./text.js";

const MOST = 500; // rows

// The responses in the rectangle, or all; open, onOpen: whether the table is shown
export function Points({ groups, brush, where, open, onOpen }) {
  const { run, step } = where;
  const all = groups.flatMap((group) => group.responses.map((one) => ({ ...one, group: group.group })));
  const rows = brush ? all.filter((one) => within(one, brush)) : all;
  const href = (one) => link("response", { run, step, group: one.group, response: one.response });
  const columns = [
    { key: "group", title: "group", align: "right" },
    {
      key: "response",
      title: "response",
      align: "right",
      head: true,
      render: (one) => html`<a href=${href(one)}>${one.response}</a>`,
    },
    { key: "length", title: "tokens", align: "right" },
    { key: "reward", title: "reward", align: "right", render: (one) => number(one.reward) },
    { key: "advantage", title: "advantage", align: "right", render: (one) => number(one.advantage) },
    { key: "note", title: "why", render: (one) => shown(one.note ?? "") },
  ];
  const title = brush ? "table of the responses in the rectangle" : "table";
  return html`<${Fold} title=${title} open=${Boolean(open)} onOpen=${onOpen}>
    <${Table} caption="length and reward of responses" columns=${columns} rows=${rows.slice(0, MOST)} />
    ${rows.length > MOST
    && html`<p class="muted">the first ${MOST} of ${number(rows.length)}: a rectangle picks fewer</p>`}
  </${Fold}>`;
}

export function AllMetrics({ metrics, open, onOpen }) {
  const there = Object.entries(metrics).filter(([, value]) => known(value));
  const rows = there.map(([name, value]) => ({ name, value }));
  const columns = [
    { key: "name", title: "figure", head: true },
    { key: "value", title: "value", align: "right", render: (row) => number(row.value, 5) },
  ];
  return html`<${Fold} title="all figures of this step" open=${Boolean(open)} onOpen=${onOpen}>
    <${Table} caption="figures of the step" columns=${columns} rows=${rows} />
  </${Fold}>`;
}

// What is closed is not drawn
function Fold({ title, open, onOpen, children }) {
  const toggle = (event) => event.currentTarget.open !== open && onOpen(event.currentTarget.open);
  return html`<details class="fold" open=${open} onToggle=${toggle}>
    <summary>${title}</summary>${open ? children : null}
  </details>`;
}
