// The groups of a step, a row for each: its problem, its responses as dots on one axis of reward, its figures.

import { html } from "./html.js";
import { Strip } from "./dots.js";
import { go, link, manyOf } from "./route.js";
import { ends } from "./scale.js";
import { within } from "./scatter.js";
import { inOrder, Table } from "./table.js";
import { count, fixed, number, oneLine } from "./text.js";

const AT_ONCE = 100; // groups that are drawn until more are asked for

// groups: with the figures of sieve.js; all: every response of the step, whose rewards are the axis
export function Strips({ groups, all, params, brush, set }) {
  const most = manyOf(params.many, AT_ONCE);
  const sort = params.sort ?? "group";
  const columns = columnsOf(params, ends(all.map((one) => one.reward)), brush);
  const rest = groups.length - most;
  return html`<div class="strips">
      <${Table}
        caption="the groups of the step" columns=${columns} rows=${inOrder(groups, columns, sort).slice(0, most)}
        sort=${sort} onSort=${(next) => set({ sort: next })} presorted=${true}
        rowKey=${(group) => group.group} rowClass=${() => "strip-row"}
      />
    </div>
    ${rest > 0
    && html`<button type="button" onClick=${() => set({ many: most + AT_ONCE })}>
      ${count(rest, "more group")}
    </button>`}`;
}

function columnsOf({ run, step }, [min, max], brush) {
  const faint = brush ? (one) => !within(one, brush) : undefined;
  const href = (group) => link("group", { run, step, group: group.group });
  const pick = (group) =>
    href(group) ? (response) => go("group", { run, step, group: group.group, at: response }) : undefined;
  const figure = (key, title, text, note) => ({
    key,
    title,
    note,
    align: "right",
    class: "strip-figure",
    render: (group) => html`<span class="figure-name">${title} </span>${text(group)}`,
  });
  return [
    { key: "group", title: "group", align: "right", class: "strip-number" },
    {
      key: "problem",
      title: "problem",
      head: true,
      class: "strip-problem",
      render: (group) => html`<a class="strip-link" href=${href(group)}>${oneLine(group.prompt, 80)}</a>`,
    },
    {
      key: "strip",
      title: "responses on the axis of reward",
      sortable: false,
      class: "strip-cell",
      render: (group) => html`<${Strip}
        responses=${group.responses} mean=${group.mean} min=${min} max=${max} faint=${faint} onPick=${pick(group)}
      />`,
    },
    figure("mean", "average", (group) => number(group.mean)),
    figure("spread", "spread", (group) => number(group.spread, 2), "standard deviation of the rewards"),
    figure("length", "tokens", (group) => number(Math.round(group.length))),
    figure("pull", "gradient", pull, "mean size of the advantages"),
  ];
}

function pull(group) {
  if (group.gradient === false) return html`<span class="no-pull" title="all advantages are 0">none</span>`;
  return fixed(group.pull, 2);
}
