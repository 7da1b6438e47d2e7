// One group: the five steps of GRPO as they happened to it. What the project is about, on one page.

import { html } from "../parts/html.js";
import { measured, story } from "../parts/asked.js";
import { DotLegend, Strip } from "../parts/dots.js";
import { FiveSteps } from "../parts/five.js";
import { useKeys } from "../parts/keys.js";
import { beside, Near } from "../parts/near.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { known, oneLine, Prompt, shown } from "../parts/text.js";

const LONG = 90; // characters of a problem that is the page's title; a longer one stands below it, too

export default function Group({ params }) {
  const { run, step, group } = params;
  const found = useData("group", { run, step, group });
  const data = found.data;
  const set = (changes) => go("group", { ...params, ...changes }, true);
  const order = data ? data.responses.map((one) => String(one.response)) : [];
  const next = (by) => {
    const place = order.indexOf(params.at);
    const to = place < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, place + by));
    if (order.length) set({ at: order[to] });
  };
  useKeys({
    j: () => next(1),
    k: () => next(-1),
    Enter: (event) => {
      if (event.target.closest("a, button, summary") || !order.length) return false;
      return go("response", { run, step, group, response: params.at ?? order[0] });
    },
    w: () => set({ whole: params.whole ? null : "1" }),
  });
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
    { text: `step ${step}`, href: link("step", { run, step }) },
    { text: `group ${group}`, href: link("group", { run, step, group }) },
  ];
  const title = data ? oneLine(data.prompt, LONG) : `Group ${group} of step ${step}`;
  return html`<${Page} title=${title} crumbs=${crumbs} aside=${data && html`<${Ways} data=${data} params=${params} />`}>
    <${Waited} found=${found} what="Reading the group">${(there) => html`<${Body} data=${there} params=${params} set=${set} next=${next} />`}</${Waited}>
  </${Page}>`;
}

function Ways({ data, params }) {
  const { run, step, group, whole } = params;
  const links = [
    ...beside("group", { run, step, group, whole }, "group", group, 0, data.groups - 1, ["group", "next group"], ["[", "]"]),
    ...beside("group", { run, step, group, whole }, "step", step, data.first ?? 0, data.last ?? 0, ["step", "next step"], [",", "."]),
  ];
  return html`<${Near} label="other groups and steps" links=${links} />`;
}

function Body({ data, params, set, next }) {
  const long = Array.isArray(data.prompt) || oneLine(data.prompt, LONG).endsWith("…");
  return html`<div class="group-page">
    ${long && html`<details class="problem-text" open><summary>the problem</summary><${Prompt} prompt=${data.prompt} /></details>`}
    <div class="group-top">
      <div class="group-story">
        ${data.gradient === false && html`<p class="no-gradient"><b>✗ No gradient from this group.</b> ${shown(data.why_none ?? "")}</p>`}
        <p class="story">${story(data).join(" ")}</p>
        <${Facts} data=${data} />
      </div>
      <div class="group-strip">
        <${Strip} responses=${data.responses} mean=${data.mean} labels=${true} picked=${params.at === undefined ? undefined : Number(params.at)}
          onPick=${(response) => set({ at: response })} />
        <${DotLegend} />
      </div>
    </div>
    <div class="group-tools">
      <button type="button" onClick=${() => next(-1)}>‹ response <kbd>k</kbd></button>
      <button type="button" onClick=${() => next(1)}>response › <kbd>j</kbd></button>
      ${params.at !== undefined && html`<a href=${link("response", { run: data.run, step: data.step, group: data.group, response: params.at })}>open response ${params.at} <kbd>Enter</kbd></a>`}
      <label><input type="checkbox" checked=${Boolean(params.whole)} onChange=${(event) => set({ whole: event.target.checked ? "1" : null })} /> whole chains <kbd>w</kbd></label>
    </div>
    <${FiveSteps} data=${data} at=${params.at} whole=${Boolean(params.whole)} onAt=${(response) => set({ at: response })} />
    ${!measured(data.responses) && data.gradient !== false && html`<${Unmeasured} data=${data} />`}
  </div>`;
}

function Facts({ data }) {
  const expected = data.expected;
  return html`<dl class="facts">
    <div><dt>expected</dt><dd>${expected === null || expected === undefined ? "nobody knows" : html`<code>${shown(expected)}</code>`}</dd></div>
    <div><dt>problem</dt><dd><a href=${link("problem", { run: data.run, problem: data.problem })}>${shown(data.problem)}</a></dd></div>
    ${data.task && html`<div><dt>task</dt><dd>${shown(data.task)}</dd></div>`}
    <div><dt>estimator</dt><dd>${shown(data.estimator ?? "")}</dd></div>
  </dl>`;
}

// A step measures what the update did for some of its groups alone (policy.traced_groups): which ones
function Unmeasured({ data }) {
  const found = useData("step", { run: data.run, step: data.step });
  const others = (found.data?.groups ?? []).filter((one) => one.responses.some((response) => known(response.change)));
  return html`<p class="muted group-foot">What the update did to each response was not measured for this group: <code>policy.traced_groups</code> says of how many groups of a step it is.
    ${others.slice(0, 6).map((one) => html` <a href=${link("group", { run: data.run, step: data.step, group: one.group })}>Group ${one.group}</a>`)}
    ${others.length ? (others.length === 1 ? " of this step has it." : " of this step have it.") : ""}</p>`;
}
