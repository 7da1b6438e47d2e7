// How many responses a group has, which of them are out of sight, and the way to each.

import { classes, html } from "./html.js";
import { count, number, Sign } from "./text.js";

// out: the responses that are out of sight; at: the chosen one
export function Index({ responses, out, at, onAt }) {
  const hidden = out.length;
  return html`<nav class="five-index" aria-label="the group's responses">
    <span>${count(responses.length, "response")}, best first${hidden > 0
      && html`, <b>${number(hidden)} out of sight</b>`}:</span>
    ${responses.map(({ response, right }) => html`<button key=${response} type="button"
      class=${classes("choice", out.includes(response) && "five-out")} aria-pressed=${String(response) === at}
      aria-label=${`to response ${response}`} onClick=${() => onAt(response)}>
      ${response} <${Sign} right=${right} />
    </button>`)}
  </nav>`;
}
