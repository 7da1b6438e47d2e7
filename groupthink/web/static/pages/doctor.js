// The doctor's findings in words: what is so now, and, folded, what was found on the way and is no more.

import { html } from "../parts/html.js";
import { count, shown } from "../parts/text.js";

export function Doctor({ run }) {
  const findings = run.findings ?? [];
  const [now, earlier] = [findings.filter((one) => one.now !== false), findings.filter((one) => one.now === false)];
  if (!findings.length && run.healthy !== true) return null;
  return html`<section class="section doctor" aria-labelledby="doctor">
    <h2 id="doctor" class=${now.length ? null : "hidden"}>What the doctor finds</h2>
    ${now.length ? html`<${Findings} findings=${now} />` : run.healthy && html`<${Well} />`}
    ${earlier.length > 0 && html`<details class="fold">
      <summary>${count(earlier.length, "earlier finding")}, not so any more</summary>
      <${Findings} findings=${earlier} />
    </details>`}
  </section>`;
}

function Well() {
  return html`<p class="doctor-well">
    <span class="sign sign-right" aria-hidden="true">✓</span>${" The doctor finds nothing wrong with this run."}
  </p>`;
}

function Findings({ findings }) {
  return html`<ol>${findings.map(
    (one) => html`<li key=${`${one.cause} ${one.step}`}>
      <h3><span aria-hidden="true">!</span> ${shown(one.title ?? one.cause)}</h3>
      <p>${shown(one.evidence)}${one.now === false && html` <span class="muted">(step ${one.step})</span>`}</p>
      <p class="doctor-change">${shown(one.change)}</p>
    </li>`,
  )}</ol>`;
}
