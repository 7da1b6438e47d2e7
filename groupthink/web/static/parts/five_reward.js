// How a reward came about: part × weight = share for each of its parts, and the reason that the judge noted.

import { html } from "./html.js";
import { known, number, shown } from "./text.js";

export function Parts({ one, weights }) {
  const names = Object.keys(one.parts ?? {});
  if (!names.length) return null;
  return html`<table class="parts">
    <caption class="hidden">the parts of the reward of response ${one.response}</caption>
    <thead class="hidden">
      <tr><th scope="col">part</th><th scope="col">value × weight</th><th scope="col">counts</th></tr>
    </thead>
    <tbody>
      ${names.map((name) => {
        return html`<${Part} key=${name} name=${name} value=${one.parts[name]} weight=${weights?.[name]} />`;
      })}
    </tbody>
  </table>`;
}

function Part({ name, value, weight }) {
  if (!known(value)) {
    return html`<tr><th scope="row">${shown(name)}</th><td colspan="2" class="muted">does not count</td></tr>`;
  }
  return html`<tr>
    <th scope="row">${shown(name)}</th>
    <td class="muted">${known(weight) ? `${number(value)} × ${number(weight)}` : ""}</td>
    <td>${number(known(weight) ? value * weight : value)}</td>
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
