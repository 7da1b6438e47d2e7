// A response in its column: reasoning and answer apart, or turn by turn where the task replied.

import { html } from "./html.js";
import { count, Text } from "./text.js";

const LONG = 4000; // characters of a chain in its column; the response's own page has all of it
const SCROLLS = { tabindex: "0", role: "group", "aria-label": "reasoning" }; // reached by keyboard, for it scrolls

export function Thought({ one, href }) {
  if (one.turns && one.turns.length) return html`<${Turns} turns=${one.turns} href=${href} />`;
  const { reasoning, answer } = one;
  if (reasoning === null && answer === null) {
    return html`<div class="thought-reasoning" ...${SCROLLS}><${Cut} text=${one.text} href=${href} /></div>
      <p class="thought-answer muted">no answer: nothing marks one</p>`;
  }
  const thought = (reasoning ?? "").replace(/^\n+|\s+$/g, "");
  const closed = answer !== null;
  return html`<div class="thought-reasoning" ...${SCROLLS}>
      ${thought ? html`<${Cut} text=${thought} href=${href} />` : html`<span class="muted">no reasoning</span>`}
    </div>
    <p class="thought-answer"><span class="muted">answer </span>
      ${closed ? html`<b><${Cut} text=${answer} href=${href} /></b>` : html`<em>none: the chain was never closed</em>`}
    </p>
    ${one.formed === false && closed && html`<p class="thought-form">✗ not in the form that is asked for</p>`}`;
}

function Turns({ turns, href }) {
  return html`<ol class="thought-reasoning turns" tabindex="0" aria-label="turns">
    ${turns.map(({ who, text }, i) => {
      const own = who === "policy";
      return html`<li key=${i} class=${own ? "turn-policy" : "turn-reply"}>
        <span class="muted">${own ? "policy" : "reply"}</span> <${Cut} text=${text} href=${href} />
      </li>`;
    })}
  </ol>`;
}

function Cut({ text, href }) {
  const all = String(text);
  if (all.length <= LONG) return html`<${Text} text=${all} long=${LONG} />`;
  const rest = count(all.length - LONG, "more character");
  return html`<${Text} text=${all.slice(0, LONG)} long=${LONG} /> <a href=${href}>… ${rest}</a>`;
}
