// How a reward came about: part × weight = share for each of its parts, and the reason that the judge noted.

import { html } from "./html.js";
import { equation } from "./asked.js";
import { shown } from "./text.js";

// The figures come written, so that they add up as they are shown.
export function Parts({ one }) {
  const parts = Object.entries(one.written?.parts ?? {});
  if (!parts.length) return null;
  return html`<table class="parts">
    <caption class="hidden">the parts of the reward of response ${one.response}</caption>
    <thead class="hidden">
      <tr><th scope="col">part</th><th scope="col">value × weight</th><th scope="col">counts</th></tr>
    </thead>
    <tbody>
      ${parts.map(([name, part]) => html`<${Part} key=${name} name=${name} part=${part} />`)}
    </tbody>
  </table>`;
}

function Part({ name, part }) {
  if (part === null) {
    return html`<tr><th scope="row">${shown(name)}</th><td colspan="2" class="muted">does not count</td></tr>`;
  }
  return html`<tr>
    <th scope="row">${shown(name)}</th>
    <td class="muted">${part.weight === null ? "" : equation(`${part.value} × ${part.weight}`)}</td>
    <td>${equation(part.share)}</td>
  </tr>`;
}

// Why it is what it is; what was read, where that is not the answer as it stands; what was expected of a wrong one
export function Reason({ one, expected }) {
  const read = one.extracted ?? null;
  const lines = [];
  if (one.note) lines.push(["why", shown(one.note)]);
  if (read === null) lines.push(["read as", html`<em>no answer was found</em>`]);
  else if (one.right !== true || read !== one.answer) lines.push(["read as", html`<code>${shown(read)}</code>`]);
  const answer = expected ?? null;
  if (one.right === false && answer !== null) lines.push(["expected", html`<code>${shown(answer)}</code>`]);
  return html`<dl class="reason">
    ${lines.map(([name, said]) => html`<div key=${name}><dt>${name}</dt><dd>${said}</dd></div>`)}
  </dl>`;
}
