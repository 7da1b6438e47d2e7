// The stretch of steps that curves show: to be marked in a curve with a mouse, or written here.

import { html } from "../parts/html.js";

// range: [from, to], undefined where all are shown; first, last: what there is. onChange([from, to], or null for all)
export function Stretch({ range, first, last, onChange }) {
  const [from, to] = range ?? [first, last];
  const change = (event) => {
    const { form } = event.target;
    const next = [form.from, form.to].map((field) => field.valueAsNumber);
    if (!form.checkValidity() || !(next[0] <= next[1])) return;
    onChange(next[0] <= first && next[1] >= last ? null : next);
  };
  const field = (name, value) => html`<input name=${name} type="number" min="0" required value=${value}
    onChange=${change} />`;
  return html`<form class="controls-inline stretch" onSubmit=${(event) => event.preventDefault()}>
    <label>steps ${field("from", from)}</label> <label>to ${field("to", to)}</label>
    ${range && html` <button type="button" class="quiet" onClick=${() => onChange(null)}>all steps</button>`}
  </form>`;
}
