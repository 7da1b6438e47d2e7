// Two chains beside each other or in one text, with what differs marked: struck out where it is in the first alone,
// underlined where it is in the second alone.

import { html, useMemo } from "./html.js";
import { likeness, wordDifference } from "./diff.js";
import { percent, shown, Sign } from "./text.js";

// first, second: {title, href, text, right}; view: "apart" or "joined"
export function Compare({ first, second, view }) {
  const parts = useMemo(() =>
    wordDifference(String(first.text ?? ""), String(second.text ?? "")), [first.text, second.text]);
  const share = likeness(parts);
  const told = share === 1 ? "the two are the same, character by character" : `${percent(share, 0)} of the characters are in both`;
  return html`<div class="compare">
    <p class="muted" role="status">${told}</p>
    ${view === "joined"
      ? html`<div class="compare-one"><${Heading} one=${first} sign="−" /><${Heading} one=${second}
        sign="+" /><${Differing} parts=${parts} /></div>`
      : html`<div class="compare-two">
          <div><${Heading} one=${first} sign="−" /><${Differing} parts=${parts} without="in" /></div>
          <div><${Heading} one=${second} sign="+" /><${Differing} parts=${parts} without="out" /></div>
        </div>`}
  </div>`;
}

function Heading({ one, sign }) {
  return html`<p class="compare-head"><span aria-hidden="true">${sign}</span> ${one.href ? html`<a
    href=${one.href}>${shown(one.title)}</a>` : shown(one.title)} <${Sign} right=${one.right} word=${true} /></p>`;
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
