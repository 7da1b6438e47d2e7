// What one looks for, and where.

import { html, useEffect, useState } from "../parts/html.js";
import { go } from "../parts/route.js";

export const PRESETS = [
  ["reflection", "reflection", "“wait”, “check”, “no,”: chains that stop and look again"],
  ["repetition", "repetition", "chains that say the same again and again"],
  ["longest", "longest", "the longest responses"],
  ["rewarded-wrong", "rewarded, but wrong", "the highest rewards of wrong answers"],
];
const RIGHT = [
  ["", "all"],
  ["1", "right"],
  ["0", "wrong"],
];
const SORTS = [
  ["", "newest steps first"],
  ["oldest", "oldest steps first"],
  ["reward", "highest reward first"],
  ["length", "longest first"],
];

const FIELDS = ["text", "regex", "preset", "case", "right", "from", "to", "sort"];

export function Form({ params }) {
  const asked = { ...params, words: params.text ?? params.regex };
  const [regex, setRegex] = useState(Boolean(params.regex));
  const [said, setSaid] = useState(asked); // what stands in the fields
  useEffect(() => {
    setRegex(Boolean(params.regex));
    setSaid(asked);
  }, [JSON.stringify(FIELDS.map((name) => params[name]))]);
  const { run, preset, right, from, to } = params;
  const submit = (event) => {
    event.preventDefault();
    const { words, ...where } = fields(event.target);
    const what = words.trim() ? { [regex ? "regex" : "text"]: words } : { preset };
    go("search", { run, ...where, ...what });
  };
  const look = (name) => go("search", { run, preset: preset === name ? null : name, right, from, to });
  const more = ["case", "right", "from", "to", "sort"].some((name) => params[name]);
  return html`<form class="search-form" role="search" onSubmit=${submit}
    onInput=${(event) => setSaid(fields(event.currentTarget))}>
    <div class="search-line">
      <label class="hidden" for="search-for">what to look for in the responses</label>
      <input id="search-for" name="words" type="search" class=${regex ? "mono" : null} autocomplete="off"
        spellcheck="false" value=${said.words ?? ""}
        placeholder=${regex ? "a regular expression, such as wait|check" : "a text, such as wait"} />
      <button type="button" class="choice mono" aria-pressed=${regex} title="a regular expression (RE2)"
        onClick=${() => setRegex(!regex)}>.*<span class="hidden"> regular expression</span></button>
      <button class="primary">Search</button>
    </div>
    <div class="controls">${PRESETS.map(
      ([name, title, about]) => html`<button key=${name} type="button" class="choice" title=${about}
        aria-pressed=${preset === name} onClick=${() => look(name)}>${title}</button>`,
    )}</div>
    <details class="fold" open=${more}><summary>Where, and which</summary>
      <div class="controls">
        <label>steps from <input name="from" type="number" min="0" value=${said.from ?? ""} /></label>
        <label>to <input name="to" type="number" min="0" value=${said.to ?? ""} /></label>
        <label>answers <${Choice} name="right" choices=${RIGHT} value=${said.right} /></label>
        <label>order <${Choice} name="sort" choices=${SORTS} value=${said.sort} /></label>
        <label><input name="case" type="checkbox" value="1" checked=${Boolean(said.case)} /> capitals matter</label>
      </div>
    </details>
  </form>`;
}

function fields(form) {
  return Object.fromEntries(new FormData(form));
}

function Choice({ name, choices, value = "" }) {
  return html`<select name=${name}>${choices.map(
    ([each, title]) => html`<option key=${each} value=${each} selected=${each === value}>${title}</option>`,
  )}</select>`;
}
