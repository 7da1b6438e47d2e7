// One response, token by token: how likely each was, how far it has gone from the reference, what the update did to it.

import { html, useMemo } from "../parts/html.js";
import { equation, inWords, obeyed, timesAsLikely } from "../parts/asked.js";
import { Strip } from "../parts/dots.js";
import { modeOf, shownValue } from "../parts/heat.js";
import { useKeys } from "../parts/keys.js";
import { Near } from "../parts/near.js";
import { NotesOf } from "../parts/noting.js";
import { Page, useData, Waited } from "../parts/page.js";
import { Raw } from "../parts/raw.js";
import { go, link } from "../parts/route.js";
import { moved } from "../parts/scale.js";
import { Table } from "../parts/table.js";
import { Chain, count, fixed, known, number, oneLine, Prompt, shown, Sign } from "../parts/text.js";
import { HeatLegend, modesOf, Tokens, tokenText } from "../parts/tokens.js";

const ROWS = 200; // tokens of a page of the table
const VIEWS = [["tokens", "coloured"], ["chain", "reasoning and answer"], ["raw", "raw text"], ["table", "table of tokens"]];
const COLUMNS = [
  ["logprob", "log-probability"], ["learner_logprob", "learner's"], ["reference_logprob", "reference's"], ["ratio", "ratio"], ["kl", "KL"],
  ["entropy", "entropy"], ["clipped", "clipped"], ["advantage", "advantage"], ["change", "change"], ["version", "version"],
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
    <${Waited} found=${found} what="Reading the response">${(data) => html`<${Body} data=${data} group=${whole.data}
      params=${params} />`}</${Waited}>
  </${Page}>`;
}

function Ways({ group, params }) {
  const order = group.responses.map((one) => String(one.response));
  const at = order.indexOf(params.response);
  const { run, step, view, by } = params;
  const to = (response) => (response === undefined
    || at < 0 ? null : { run, step, group: params.group, response, view, by });
  const next = (place) => (place >= 0 && place < group.groups ? { run, step, group: String(place) } : null);
  const links = [
    { name: "better", sign: "‹", key: "k", page: "response", params: to(order[at - 1]) },
    { name: "worse", sign: "›", key: "j", page: "response", params: to(order[at + 1]) },
    { name: "group", sign: "‹", key: "[", page: "group", params: next(Number(params.group) - 1) },
    { name: "next group", sign: "›", key: "]", page: "group", params: next(Number(params.group) + 1) },
  ];
  return html`<${Near} label="other responses and groups" links=${links} />`;
}

function Body({ data, group, params }) {
  const tokens = data.tokens;
  const set = (changes) => go("response", { ...params, ...changes }, true);
  const modes = useMemo(() => (tokens ? modesOf(tokens) : []), [tokens]);
  const asked = params.by === "none" ? null : modeOf(params.by ?? "logprob");
  const view = tokens ? params.view ?? "tokens" : params.view === "raw" ? "raw" : "chain";
  const at = params.token === undefined || !/^\d+$/.test(params.token) ? null : Number(params.token);
  useKeys({ Escape: () => (at === null ? false : set({ token: null })) });
  const views = VIEWS.filter(([key]) => tokens || key === "chain" || key === "raw");
  return html`<div class="response-page">
    <details class="problem-text" open><summary>the problem</summary><${Prompt} prompt=${data.prompt} /></details>
    <${Facts} data=${data} params=${params} />
    ${group && html`<div class="response-strip"><${Strip} responses=${group.responses} mean=${group.mean}
      labels=${true} picked=${Number(params.response)}
      onPick=${(response) => go("response", { ...params, token: null, from: null, response })} /></div>`}
    <div class="choices" role="group" aria-label="view">
      ${views.map(([key, name]) => html`<button key=${key} type="button" aria-pressed=${view === key} onClick=${() =>
        set({ view: key === "tokens" ? null : key })}>${name}</button>`)}
    </div>
    ${view === "tokens" && html`<section aria-label="tokens, coloured">
      <div class="heat-choice">
        <label>coloured by <select value=${asked ? asked.key : "none"} onChange=${(event) =>
          set({ by: event.target.value === "logprob" ? null : event.target.value })}>
          ${modes.map(({ mode, there }) => html`<option key=${mode.key} value=${mode.key}
            disabled=${!there}>${mode.title}${there ? "" : " (not recorded)"}</option>`)}
          <option value="none">nothing</option>
        </select></label>
        ${data.pieces === "ids" && html`<span
          class="muted">no tokenizer was found: tokens are shown by their ids</span>`}
      </div>
      <${HeatLegend} tokens=${tokens} mode=${asked} />
      <${Tokens} key=${`${params.run} ${params.step} ${params.group} ${params.response}`} tokens=${tokens}
        mode=${asked} at=${at} onAt=${(token) => set({ token })} />
    </section>`}
    ${view === "chain" && html`<${Chain} text=${data.text} reasoning=${data.reasoning} answer=${data.answer} />`}
    ${view === "raw" && html`<${Raw} text=${data.text} />`}
    ${view === "table" && html`<${TokenTable} tokens=${tokens} from=${Number(params.from) || 0} at=${at}
      onFrom=${(from) => set({ from: from || null })} />`}
    <section class="section" aria-labelledby="notes-title"><h2 id="notes-title">Notes</h2>
      <${NotesOf} key=${`${params.step} ${params.group} ${params.response}`} run=${params.run} step=${params.step}
        group=${params.group} response=${params.response} /></section>
  </div>`;
}

function Facts({ data, params }) {
  const parts = Object.entries(data.parts ?? {}).map(([name, value]) => `${shown(name)} ${number(value)}`);
  const facts = [
    ["verdict", html`<${Sign} right=${data.right} word=${true} />`],
    ["reward", html`${data.sum ? equation(shown(data.sum)) : number(data.reward)} <span
      class="muted">${parts.join(", ")}</span>`],
    data.note ? ["why", shown(data.note)] : null,
    ["read as", data.extracted === null || data.extracted === undefined ? "no answer was found"
      : html`<code>${shown(data.extracted)}</code>`],
    data.expected === null
      || data.expected === undefined ? null : ["expected", html`<code>${shown(data.expected)}</code>`],
    known(data.advantage) ? ["advantage", data.equation ? equation(shown(data.equation)) : moved(data.advantage)]
      : null,
    known(data.change) ? ["the update", `${{ true: "✓ ", false: "✗ " }[obeyed(data)] ?? ""}${inWords(data)}: ${moved(data.change)} nats a token${timesAsLikely(data) ? `, ${timesAsLikely(data)}` : ""}`] : null,
    ["tokens", `${number(data.length)}${data.finish === "length" ? ", cut off at the limit" : ""}`],
    known(data.logprob) ? ["log-probability", html`${fixed(data.logprob, 3)} <span class="muted">nats a token</span>`]
      : null,
    known(data.entropy) ? ["entropy", number(data.entropy)] : null,
    known(data.kl) ? ["KL to the reference", number(data.kl)] : null,
    data.versions?.length ? ["weights", data.versions.join(", ")] : null,
    data.problem ? ["problem", html`<a
      href=${link("problem", { run: params.run, problem: data.problem })}>${oneLine(data.problem, 60)}</a>`] : null,
  ];
  return html`<dl class="facts">${facts.filter(Boolean).map(([name, value]) => html`<div
    key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

// All figures of each token, a page at a time
function TokenTable({ tokens, from, at, onFrom }) {
  const length = tokens.id.length;
  const start = Math.min(Math.max(0, from), Math.max(0, length - 1));
  const there = COLUMNS.filter(([key]) => tokens[key] && tokens[key].some((value) => value !== null));
  const rows = tokens.id.slice(start, start + ROWS).map((id, i) => ({ i: start + i, id }));
  const columns = [
    { key: "i", title: "#", align: "right", render: (row) => number(row.i) },
    { key: "text", title: "token", head: true, render: (row) =>
      html`<code>${shown(tokenText(tokens, row.i)).replace(/\n/g, "↵").replace(/ /g, "␣")}</code>${tokens.sampled
      && tokens.sampled[row.i] === false ? html` <span class="muted">reply</span>` : null}` },
    { key: "id", title: "id", align: "right" },
    ...there.map(([key, title]) => ({ key, title, align: "right", render: (row) =>
      shownValue(key, tokens[key][row.i]) })),
  ];
  return html`<section aria-label="table of tokens">
    <p class="pager">
      <button type="button" disabled=${start === 0} onClick=${() => onFrom(Math.max(0, start - ROWS))}>‹ before</button>
      tokens ${number(start)} to ${number(Math.min(length, start + ROWS) - 1)} of ${count(length, "token")}
      <button type="button" disabled=${start + ROWS >= length} onClick=${() => onFrom(start + ROWS)}>after ›</button>
    </p>
    <${Table} caption="tokens of the response, with their figures" columns=${columns} rows=${rows} rowKey=${(row) =>
      row.i} rowClass=${(row) => (row.i === at ? "row-chosen" : null)} />
  </section>`;
}
