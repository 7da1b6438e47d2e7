// Search over all responses of a run: hits as they come, and how often the pattern occurs over the steps: the aha
// moment.

import { html, useState, useEffect, useMemo } from "../parts/html.js";
import { lines } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Failed, Empty } from "../parts/page.js";
import { Curve } from "../parts/chart.js";
import { Sign, number, percent, seconds, count, shown } from "../parts/text.js";
import { rise } from "./rise.js";
import { smoothing } from "./smoothing.js";

const PRESETS = [
  ["reflection", "reflection", "“wait”, “check”, “no,”: chains that stop and look again"],
  ["repetition", "repetition", "chains that say the same again and again"],
  ["longest", "longest", "the longest responses"],
  ["rewarded-wrong", "rewarded, but wrong", "the highest rewards of wrong answers"],
];
const ASKED = ["text", "regex", "preset", "case", "right", "from", "to", "sort", "limit"];
const SHOWN = 200; // hits that are drawn at once; more when asked for

export default function Search({ params }) {
  const asked = Object.fromEntries(ASKED.filter((name) => params[name]).map((name) => [name, params[name]]));
  const anything = asked.text || asked.regex || asked.preset;
  const found = useSearch(params.run, anything ? asked : null);
  const crumbs = [{ text: "Runs", href: link("runs") }, { text: params.run ?? "", href: link("run", { run: params.run }) }];
  return html`<${Page} title="Search" crumbs=${crumbs}>
    <${Form} params=${params}
      key=${[params.text, params.regex, params.case, params.right, params.from, params.to, params.sort].join("\n")} />
    ${anything ? html`<${Found} found=${found} params=${params} asked=${asked} />` : html`<${Hints} />`}
  </${Page}>`;
}

// {hits, progress, end, error, done} of what is asked, growing while the answer streams in
function useSearch(run, asked) {
  const key = asked && JSON.stringify([run, asked]);
  const [state, setState] = useState({ hits: [] });
  useEffect(() => {
    if (!key) return undefined;
    const abort = new AbortController();
    const now = { hits: [], progress: null, end: null, error: null, done: false };
    let frame = null;
    const draw = () => {
      frame = null;
      if (!abort.signal.aborted) setState({ ...now });
    };
    const take = (line) => {
      if (line.hit) now.hits = [...now.hits, line.hit];
      else if (line.progress) now.progress = line.progress;
      else if (line.error) now.error = new Error(line.error);
      else now.end = line;
      frame ??= requestAnimationFrame(draw);
    };
    draw();
    lines("/api/search", { run, ...asked }, null, take, abort.signal).then(
      () => Object.assign(now, { done: true }) && draw(),
      (error) => error.name !== "AbortError" && Object.assign(now, { error, done: true }) && draw(),
    );
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
    };
  }, [key]);
  return state;
}

function Form({ params }) {
  const [regex, setRegex] = useState(Boolean(params.regex));
  const submit = (event) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(event.target));
    const words = data.words.trim() ? data.words : "";
    const { run, right, from, to, sort } = { ...params, ...data };
    go("search", { run, [regex ? "regex" : "text"]: words, case: data.case, right, from, to, sort, preset: words ? null : params.preset });
  };
  const more = ["case", "right", "from", "to", "sort"].some((name) => params[name]);
  return html`<form class="search-form" role="search" onSubmit=${submit}>
    <div class="search-line">
      <label class="hidden" for="search-for">what to look for in the responses</label>
      <input id="search-for" name="words" type="search" class=${regex ? "mono" : null}
        value=${params.text ?? params.regex ?? ""} autocomplete="off" spellcheck="false"
        placeholder=${regex ? "a regular expression, such as wait|check" : "a text, such as wait"} />
      <button type="button" class="choice" aria-pressed=${regex} onClick=${() => setRegex(!regex)}
        title="regular expression (RE2)">.*<span class="hidden"> regular expression</span></button>
      <button class="primary">Search</button>
    </div>
    <div class="controls">
      ${PRESETS.map(
        ([name, title, about]) => html`<button key=${name} type="button" class="choice" title=${about}
          aria-pressed=${params.preset === name}
          onClick=${() =>
            go("search", { run: params.run, preset: params.preset === name ? null : name, right: params.right, from: params.from, to: params.to })}>${title}</button>`,
      )}
    </div>
    <details class="fold" open=${more}><summary>Where, and which</summary>
      <div class="controls">
        <label>steps from <input name="from" type="number" min="0" value=${params.from ?? ""} /></label>
        <label>to <input name="to" type="number" min="0" value=${params.to ?? ""} /></label>
        <label>answers <select name="right" value=${params.right ?? ""}><option value="">all</option><option
          value="1">right</option><option value="0">wrong</option></select></label>
        <label>order <select name="sort" value=${params.sort ?? ""}><option value="">newest steps first</option><option
          value="oldest">oldest steps first</option><option value="reward">highest reward first</option><option
          value="length">longest first</option></select></label>
        <label><input name="case" type="checkbox" value="1" checked=${Boolean(params.case)} /> capitals matter</label>
      </div>
    </details>
  </form>`;
}

function Hints() {
  return html`<${Empty}>Look for a word to see when the policy began to use it. “reflection” looks for chains that stop and look
    again; “rewarded, but wrong” shows what the rules pay for though they should not.</${Empty}>`;
}

function Found({ found, params, asked }) {
  const { hits, progress, end, error, done } = found;
  const [many, setMany] = useState(SHOWN);
  const told = hits.slice(0, many);
  return html`
    <p class="search-state" role="status" aria-live="polite">${state(hits, progress, end, error, done)}</p>
    ${error ? html`<${Failed} error=${error} />` : null}
    ${end?.curve?.step?.length ? html`<${Rate} curve=${end.curve} params=${params} asked=${asked} />` : null}
    ${done && !hits.length && !error ? html`<${Empty}>No response has it.</${Empty}>` : null}
    <ol class="hits">${told.map((hit) => html`<${Hit} key=${`${hit.step} ${hit.group} ${hit.response}`} hit=${hit}
      run=${params.run} />`)}</ol>
    ${hits.length > told.length ? html`<button type="button" onClick=${() =>
      setMany(many + SHOWN)}>${count(hits.length - told.length, "more hit")}</button>` : null}`;
}

function state(hits, progress, end, error, done) {
  if (error) return "";
  if (end) {
    const rest = end.hits > end.shown ? `, of which ${number(end.shown)} are shown` : "";
    const why = end.stopped === "time" ? "; the time was up before all steps were read" : "";
    return `${count(end.hits, "response")} in ${seconds(end.seconds)}${rest}${why}`;
  }
  if (done) return "";
  return `${count(hits.length, "hit")} so far${progress ? `, ${number(progress.steps)} of ${count(progress.of, "step")} read` : ""}…`;
}

// The share of responses that have it, over the steps
function Rate({ curve, params, asked }) {
  const shares = useMemo(() => curve.matched.map((matched, at) => (curve.responses[at] ? matched / curve.responses[at]
    : null)), [curve]);
  const series = useMemo(() => [{ name: "share", values: shares }], [shares]);
  const words = rise(curve.step, curve.matched, curve.responses);
  const name = asked.preset ?? asked.text ?? asked.regex;
  const smooth = smoothing(params.smooth, curve.step.length);
  const zoom = (range) => go("search", { ...params, from: range[0], to: range[1] });
  return html`<section class="section search-rate" aria-label="how often, over the steps">
    <${Curve} title=${`How often: ${shown(name)}`} x=${curve.step} series=${series} smooth=${smooth} height=${170}
      format=${(value) => percent(value)} axisFormat=${(value) => percent(value, 0)} min=${0} onRange=${zoom}
      onStep=${(step) => go("step", { run: params.run, step })}
        note="share of a step's responses; mark a stretch to search in it alone" />
    ${words ? html`<p class="finding-line">${words}</p>` : null}
  </section>`;
}

function Hit({ hit, run }) {
  const where = { run, step: hit.step, group: hit.group, response: hit.response };
  return html`<li class="hit">
    <div class="hit-where">
      <${Sign} right=${hit.right} /> <a
        href=${link("response", where)}>step ${hit.step}, group ${hit.group}, response ${hit.response}</a>
      <span class="muted">reward ${number(hit.reward)} · ${count(hit.length, "token")} · ${shown(hit.problem)}</span>
    </div>
    <p class="written hit-text">${shown(hit.before)}<mark>${shown(hit.match)}</mark>${shown(hit.after)}</p>
  </li>`;
}
