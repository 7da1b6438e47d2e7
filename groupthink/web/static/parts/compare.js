// Two chains beside each other or in one text, with what differs marked: struck out where it is in the first alone,
// underlined where it is in the second alone.

import { html, useMemo } from "./html.js";
import { chosenChains } from "./chains.js";
import { likeness, wordDifference } from "./diff.js";
import { count, known, number, percent, shown, Sign } from "./text.js";

const MOST = 2000; // chains that can be chosen from

// chains: see chains.js; a and b in the address say which, view whether they stand apart or in one text
export function Difference({ chains, params, set }) {
  const [first, second] = chosenChains(chains, params.a, params.b);
  const joined = params.view === "joined";
  const view = (event) => set({ view: event.target.checked ? "joined" : null });
  return html`<section class="section" aria-labelledby="difference-title">
    <h2 id="difference-title">What differs</h2>
    <div class="controls">
      <${Choice} label="between" chains=${chains} chosen=${first} onChoose=${(a) => set({ a })} />
      <${Choice} label="and" chains=${chains} chosen=${second} onChoose=${(b) => set({ b })} />
      <button type="button" onClick=${() => set({ a: second.id, b: first.id })}>swap</button>
      <label><input type="checkbox" checked=${joined} onChange=${view} /> in one text</label>
    </div>
    <${Compare} first=${first} second=${second} view=${joined ? "joined" : "apart"} />
  </section>`;
}

function Choice({ label, chains, chosen, onChoose }) {
  return html`<label>${label} <select value=${chosen.id} onChange=${(event) => onChoose(event.target.value)}>
    ${chains.slice(0, MOST).map((one) => html`<option key=${one.id} value=${one.id}>${describe(one)}</option>`)}
  </select></label>`;
}

// "step 3, response 2 ✓ 1, 96 tokens"
function describe(one) {
  const sign = one.right === true ? "✓" : one.right === false ? "✗" : "·";
  const reward = known(one.reward) ? ` ${number(one.reward)}` : "";
  return `${shown(one.title)} ${sign}${reward}, ${count(one.length, "token")}`;
}

// first, second: {title, href, text, right}; view: "apart" or "joined"
function Compare({ first, second, view }) {
  const parts = useMemo(() =>
    wordDifference(String(first.text ?? ""), String(second.text ?? "")), [first.text, second.text]);
  const share = likeness(parts);
  const same = "the two are the same, character by character";
  const one = html`<${Heading} one=${first} sign="−" />`;
  const other = html`<${Heading} one=${second} sign="+" />`;
  return html`<div class="compare">
    <p class="muted" role="status">${share === 1 ? same : `${percent(share, 0)} of the characters are in both`}</p>
    ${view === "joined"
      ? html`<div>${one}${other}<${Differing} parts=${parts} /></div>`
      : html`<div class="compare-two">
          <div>${one}<${Differing} parts=${parts} without="in" /></div>
          <div>${other}<${Differing} parts=${parts} without="out" /></div>
        </div>`}
  </div>`;
}

function Heading({ one, sign }) {
  const title = one.href ? html`<a href=${one.href}>${shown(one.title)}</a>` : shown(one.title);
  return html`<p class="compare-head">
    <span aria-hidden="true">${sign}</span> ${title} <${Sign} right=${one.right} word=${true} />
  </p>`;
}

function Differing({ parts, without }) {
  return html`<div class="written compare-text">${parts
    .filter((part) => part.kind !== without)
    .map((part, i) => {
      if (part.kind === "out") return html`<del key=${i}>${visible(part.text)}</del>`;
      if (part.kind === "in") return html`<ins key=${i}>${visible(part.text)}</ins>`;
      return shown(part.text);
    })}</div>`;
}

// a change of line ends alone would not be seen
function visible(text) {
  return shown(text).replace(/\n/g, "↵\n");
}
