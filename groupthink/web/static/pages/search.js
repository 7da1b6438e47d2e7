// Search over all responses of a run: hits as they come, and how often the pattern occurs over the steps.

import { html, useRef } from "../parts/html.js";
import { useKeys } from "../parts/keys.js";
import { go, link, manyOf } from "../parts/route.js";
import { Page, Failed, Empty } from "../parts/page.js";
import { Sign, number, seconds, count, shown } from "../parts/text.js";
import { Rate } from "./rate.js";
import { Form } from "./search_form.js";
import { useSearch } from "./searching.js";

const ASKED = ["text", "regex", "preset", "case", "right", "from", "to", "sort", "limit"];
const SHOWN = 200; // hits that are drawn at once; more when asked for

export default function Search({ params }) {
  const { run } = params;
  const asked = Object.fromEntries(ASKED.filter((name) => params[name]).map((name) => [name, params[name]]));
  const anything = asked.text || asked.regex || asked.preset;
  const found = useSearch(run, anything ? asked : null);
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run ?? "", href: link("run", { run }) },
  ];
  return html`<${Page} title="Search" crumbs=${crumbs}>
    <${Form} params=${params} />
    ${anything ? html`<${Found} found=${found} params=${params} />` : html`<${Hints} />`}
  </${Page}>`;
}

function Hints() {
  return html`<${Empty}>Look for a word to see when the policy began to use it. “reflection” looks for chains that stop
    and look again; “rewarded, but wrong” shows what the rules pay for though they should not.</${Empty}>`;
}

function Found({ found, params }) {
  const { hits, end, error, done } = found;
  const many = manyOf(params.many, SHOWN);
  const told = hits.slice(0, many);
  const rest = hits.length - told.length;
  const list = useRef(null);
  useKeys({ j: () => focusBeside(list.current, 1), k: () => focusBeside(list.current, -1) });
  return html`
    <p class="search-state" role="status" aria-live="polite">${inWords(found)}</p>
    ${error && html`<${Failed} error=${error} />`}
    ${end?.curve?.step?.length > 0 && html`<${Rate} curve=${end.curve} params=${params} />`}
    ${done && !hits.length && !error ? html`<${Empty}>No response has it.</${Empty}>` : null}
    <ol class="hits" ref=${list}>${told.map(
      (hit) => html`<${Hit} key=${placeOf(hit)} hit=${hit} run=${params.run} />`,
    )}</ol>
    ${rest > 0 && html`<button type="button" onClick=${() => go("search", { ...params, many: many + SHOWN }, true)}>
      ${count(rest, "more hit")}</button>`}`;
}

// the next or the previous hit's link
function focusBeside(list, by) {
  const links = [...list.querySelectorAll(".hit-where a")];
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

function placeOf({ step, group, response }) {
  return `${step} ${group} ${response}`;
}

function inWords({ hits, progress, end, error, done }) {
  if (error) return "";
  if (end) {
    const rest = end.hits > end.shown ? `, of which ${number(end.shown)} are shown` : "";
    const why = end.stopped === "time" ? "; the time was up before all steps were read" : "";
    return `${count(end.hits, "response")} in ${seconds(end.seconds)}${rest}${why}`;
  }
  if (done) return "";
  const read = progress ? `, ${number(progress.steps)} of ${count(progress.of, "step")} read` : "";
  return `${count(hits.length, "hit")} so far${read}…`;
}

function Hit({ hit, run }) {
  const { step, group, response } = hit;
  return html`<li class="hit">
    <div class="hit-where">
      <${Sign} right=${hit.right} />
      <a href=${link("response", { run, step, group, response })}>step ${step}, group ${group}, response ${response}</a>
      <span class="muted">reward ${number(hit.reward)} · ${count(hit.length, "token")} · ${shown(hit.problem)}</span>
    </div>
    <p class="written hit-text">${inLine(hit.before)}<mark>${inLine(hit.match)}</mark>${inLine(hit.after)}</p>
  </li>`;
}

// a chain's lines in one, so that many hits are seen at once
function inLine(text) {
  return shown(text).replace(/\s*\n\s*/g, " ↵ ");
}
