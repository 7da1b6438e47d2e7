// One response, token by token: how likely each was, how far it has gone from the reference, what the update did to it.

import { html, useMemo } from "../parts/html.js";
import { Strip } from "../parts/dots.js";
import { modeOf } from "../parts/heat.js";
import { useKeys } from "../parts/keys.js";
import { Near } from "../parts/near.js";
import { NotesOf } from "../parts/noting.js";
import { Page, useData, Waited } from "../parts/page.js";
import { Raw } from "../parts/raw.js";
import { ResponseFacts } from "../parts/response_facts.js";
import { go, link, responseOf } from "../parts/route.js";
import { Chain, Prompt } from "../parts/text.js";
import { TokenTable } from "../parts/token_table.js";
import { HeatLegend, modesOf, Tokens } from "../parts/tokens.js";

const FIRST = "logprob"; // what tokens are coloured by when nobody has chosen
const VIEWS = [
  ["tokens", "coloured"],
  ["chain", "reasoning and answer"],
  ["raw", "raw text"],
  ["table", "table of tokens"],
];

export default function Response({ params }) {
  const { run, step, group, response } = params;
  const where = { run, step, group };
  const found = useData("response", { ...where, response });
  const whole = useData("group", where);
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
    { text: `step ${step}`, href: link("step", { run, step }) },
    { text: `group ${group}`, href: link("group", { ...where, at: response }) },
  ];
  const aside = whole.data && html`<${Ways} group=${whole.data} params=${params} />`;
  return html`<${Page} title=${`Response ${response}`} crumbs=${crumbs} aside=${aside}>
    <${Waited} found=${found} what="Reading the response">
      ${(data) => html`<${Body} data=${data} group=${whole.data} params=${params} />`}
    </${Waited}>
  </${Page}>`;
}

function Ways({ group, params }) {
  const { run, step, view, by } = params;
  const order = group.responses.map((one) => String(one.response));
  const at = order.indexOf(params.response);
  const to = (place) => {
    const there = at >= 0 && order[place] !== undefined;
    return there ? { run, step, group: params.group, response: order[place], view, by } : null;
  };
  const next = (place) => (place >= 0 && place < group.groups ? { run, step, group: String(place) } : null);
  const links = [
    { name: "better", sign: "‹", key: "k", page: "response", params: to(at - 1) },
    { name: "worse", sign: "›", key: "j", page: "response", params: to(at + 1) },
    { name: "previous group", sign: "‹", key: "[", page: "group", params: next(Number(params.group) - 1) },
    { name: "next group", sign: "›", key: "]", page: "group", params: next(Number(params.group) + 1) },
  ];
  return html`<${Near} label="other responses and groups" links=${links} />`;
}

function Body({ data, group, params }) {
  const tokens = data.tokens;
  const set = (changes) => go("response", { ...params, ...changes }, true);
  const where = { run: params.run, step: params.step, group: params.group };
  const leads = (response) => responseOf(where, response) !== null;
  const pick = (response) => {
    const [page, there] = responseOf(where, response);
    go(page, page === "response" ? { ...params, token: null, from: null, response } : there);
  };
  const view = tokens ? params.view ?? "tokens" : params.view === "raw" ? "raw" : "chain";
  const at = /^\d+$/.test(params.token ?? "") ? Number(params.token) : null;
  const key = [params.run, params.step, params.group, params.response].join(" ");
  useKeys({ Escape: () => (at === null ? false : set({ token: null })) });
  return html`<div class="response-page">
    <details class="problem-text" open><summary>the problem</summary><${Prompt} prompt=${data.prompt} /></details>
    <${ResponseFacts} data=${data} run=${params.run} />
    ${group
    && html`<div class="response-strip">
      <${Strip} responses=${group.responses} mean=${group.mean} labels=${true} picked=${data.response} onPick=${pick}
        leads=${leads} />
    </div>`}
    <div class="choices" role="group" aria-label="view">
      ${VIEWS.filter(([name]) => tokens || name === "chain" || name === "raw").map(([name, title]) => {
        const choose = () => set({ view: name === "tokens" ? null : name });
        const pressed = view === name;
        return html`<button key=${name} type="button" aria-pressed=${pressed} onClick=${choose}>${title}</button>`;
      })}
    </div>
    ${view === "tokens" && html`<${Coloured} key=${key} data=${data} by=${params.by} at=${at} set=${set} />`}
    ${view === "chain" && html`<${Chain} text=${data.text} reasoning=${data.reasoning} answer=${data.answer} />`}
    ${view === "raw" && html`<${Raw} text=${data.text} />`}
    ${view === "table"
    && html`<${TokenTable} tokens=${tokens} from=${params.from} at=${at} onFrom=${(from) => set({ from })} />`}
    <section class="section response-notes" aria-labelledby="notes-title">
      <h2 id="notes-title">Notes</h2>
      <${NotesOf} key=${key} run=${params.run} step=${params.step} group=${params.group} response=${params.response} />
    </section>
  </div>`;
}

function Coloured({ data, by, at, set }) {
  const tokens = data.tokens;
  const modes = useMemo(() => modesOf(tokens), [tokens]);
  const mode = by === "none" ? null : modeOf(by ?? FIRST);
  const choose = (event) => set({ by: event.target.value === FIRST ? null : event.target.value });
  return html`<section aria-label="tokens, coloured">
    <div class="heat-choice">
      <label>coloured by <select value=${mode ? mode.key : "none"} onChange=${choose}>
        ${modes.map(({ mode: one, there }) => html`<option key=${one.key} value=${one.key} disabled=${!there}>
          ${one.title}${there ? "" : " (not recorded)"}
        </option>`)}
        <option value="none">nothing</option>
      </select></label>
      ${data.pieces === "ids" && html`<span class="muted">no tokenizer was found: tokens are shown by their ids</span>`}
    </div>
    <${HeatLegend} tokens=${tokens} mode=${mode} />
    <${Tokens} tokens=${tokens} mode=${mode} at=${at} onAt=${(token) => set({ token, from: null })} />
  </section>`;
}
