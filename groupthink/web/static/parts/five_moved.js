// What the update really did to a response, beside what its advantage had asked for.

import { classes, html } from "./html.js";
import { inWords, obeyed, timesAsLikely, way } from "./asked.js";
import { Bar } from "./bars.js";
import { arrow, moved } from "./scale.js";
import { fixed, known, number } from "./text.js";
import { trueDigits, unitOf } from "./true_digits.js";

const DIGITS = 3; // of a change
const DECIMALS = 4; // of a log-probability, at least

// seen: whether it was measured for this group
export function Moved({ one, range, seen }) {
  if (!known(one.change)) return html`<p class="muted">${seen ? "not measured" : wish(one)}</p>`;
  const did = obeyed(one);
  const both = known(one.logprob);
  const after = one.logprob + one.change;
  const change = Number(one.change.toPrecision(DIGITS));
  const decimals = trueDigits([[one.logprob, after, change, unitOf(change, DIGITS)]], DECIMALS);
  return html`<${Bar} kind="change" value=${one.change} range=${range}>
      <b>${arrow(one.change)} ${moved(one.change, DIGITS)}</b>
    </${Bar}>
    <p class=${classes("did", did === true && "did-so", did === false && "did-not")}>
      ${did === true ? "✓ " : did === false ? "✗ " : ""}${inWords(one)}
    </p>
    <p class="muted">
      ${both && html`${fixed(one.logprob, decimals)} → ${fixed(after, decimals)}<br />`}
      ${timesAsLikely(one)}
      ${known(one.kl) && html`<br />KL to the reference ${number(one.kl)}`}
    </p>`;
}

function wish(one) {
  const asked = way(one.advantage);
  if (!asked) return "nothing asked";
  return asked > 0 ? "asked up ▲" : "asked down ▼";
}
