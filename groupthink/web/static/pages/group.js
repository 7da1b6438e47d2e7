// One group: the five steps of GRPO as they happened to it. What the project is about, on one page.

import { html } from "../parts/html.js";
import { measured, story } from "../parts/asked.js";
import { DotLegend, Strip } from "../parts/dots.js";
import { FiveSteps } from "../parts/five.js";
import { isThere } from "../parts/in_file.js";
import { useKeys } from "../parts/keys.js";
import { beside, Near } from "../parts/near.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { oneLine, Prompt, shown } from "../parts/text.js";

const LONG = 90; // characters of a problem that is the page's title; a longer one stands below it, too
const FEW = 6; // groups of the step that are named

export default function Group({ params }) {
  const { run, step, group } = params;
  const found = useData("group", { run, step, group });
  const data = found.data;
  const set = (changes) => go("group", { ...params, ...changes }, true);
  const order = data ? data.responses.map((one) => String(one.response)) : [];
  const next = (by) => {
    const place = order.indexOf(params.at);
    const begin = by > 0 ? 0 : order.length - 1;
    const to = place < 0 ? begin : Math.min(order.length - 1, Math.max(0, place + by));
    if (order.length) set({ at: order[to] });
  };
  useKeys({
    j: () => next(1),
    k: () => next(-1),
    w: () => set({ whole: params.whole ? null : "1" }),
    Enter: (event) => {
      if (event.target.closest("a, button, summary") || !order.length) return false;
      const response = { run, step, group, response: params.at ?? order[0] };
      return isThere("response", response) ? go("response", response) : false;
    },
  });
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
    { text: `step ${step}`, href: link("step", { run, step }) },
    { text: `group ${group}`, href: link("group", { run, step, group }) },
  ];
  const title = data ? oneLine(data.prompt, LONG) : `Group ${group} of step ${step}`;
  const aside = data && html`<${Ways} data=${data} params=${params} />`;
  return html`<${Page} title=${title} crumbs=${crumbs} aside=${aside}>
    <${Waited} found=${found} what="Reading the group">
      ${(there) => html`<${Body} data=${there} params=${params} set=${set} next=${next} />`}
    </${Waited}>
  </${Page}>`;
}

function Ways({ data, params }) {
  const { run, step, group, whole } = params;
  const [here, first, last] = [{ run, step, group, whole }, data.first ?? 0, data.last ?? 0];
  const links = [
    ...beside("group", here, "group", group, 0, data.groups - 1, ["previous group", "next group"], ["[", "]"]),
    ...beside("group", here, "step", step, first, last, ["previous step", "next step"], [",", "."]),
  ];
  return html`<${Near} label="other groups and steps" links=${links} />`;
}

function Body({ data, params, set, next }) {
  const long = Array.isArray(data.prompt) || oneLine(data.prompt, LONG).endsWith("…");
  const at = params.at === undefined ? undefined : Number(params.at);
  const pick = (response) => set({ at: response });
  return html`<div class="group-page">
    ${long
    && html`<details class="problem-text" open>
      <summary>the problem</summary>
      <${Prompt} prompt=${data.prompt} />
    </details>`}
    <div class="group-top">
      <div class="group-story">
        ${data.gradient === false
        && html`<p class="no-gradient"><b>✗ No gradient from this group.</b> ${shown(data.why_none ?? "")}</p>`}
        <p class="story">${story(data).join(" ")}</p>
        ${!measured(data.responses) && html`<${Unmeasured} data=${data} />`}
        <${Facts} data=${data} />
        <${Tools} data=${data} params=${params} set=${set} next=${next} />
      </div>
      <div class="group-strip">
        <${Strip} responses=${data.responses} mean=${data.mean} labels=${true} picked=${at} onPick=${pick} />
        <${DotLegend} />
      </div>
    </div>
    <${FiveSteps} data=${data} at=${params.at} whole=${Boolean(params.whole)} onAt=${pick} />
  </div>`;
}

function Tools({ data, params, set, next }) {
  const { run, step, group } = data;
  const whole = (event) => set({ whole: event.target.checked ? "1" : null });
  const response = params.at;
  return html`<div class="group-tools">
    <button type="button" onClick=${() => next(-1)}>‹ response <kbd>k</kbd></button>
    <button type="button" onClick=${() => next(1)}>response <kbd>j</kbd> ›</button>
    <label>
      <input type="checkbox" checked=${Boolean(params.whole)} onChange=${whole} /> whole chains <kbd>w</kbd>
    </label>
    ${response !== undefined
    && html`<a href=${link("response", { run, step, group, response })}>open response ${response} <kbd>Enter</kbd></a>`}
  </div>`;
}

function Facts({ data }) {
  const { run, problem, task, estimator } = data;
  const expected = data.expected ?? null;
  return html`<dl class="facts">
    <div><dt>expected</dt><dd>${expected === null ? "nobody knows" : html`<code>${shown(expected)}</code>`}</dd></div>
    <div><dt>problem</dt><dd><a href=${link("problem", { run, problem })}>${shown(problem)}</a></dd></div>
    ${task && html`<div><dt>task</dt><dd>${shown(task)}</dd></div>`}
    ${estimator && html`<div><dt>estimator</dt><dd>${shown(estimator)}</dd></div>`}
  </dl>`;
}

// A step measures what the update did for its first groups that teach something alone: which ones, and how to get more
function Unmeasured({ data }) {
  const { run, step, traced } = data;
  if (!traced.groups.length && traced.most > 0) return null; // nothing was learned in this step
  const named = traced.groups.slice(0, FEW).map((group, at) => html`${at > 0 && ", "}<a
    href=${link("group", { run, step, group })}>group ${group}</a>`);
  const rest = traced.groups.length - named.length;
  return html`<p class="muted unmeasured">
    What the update did was not measured for this group. In this step it was for${" "}
    ${named.length ? named : "none"}${rest > 0 && ` and ${rest} more`}.
    A run with <code>policy.traced_groups=N</code> measures it for the first N groups of each step that teach
    something; here N is ${traced.most}.
  </p>`;
}
