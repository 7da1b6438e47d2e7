// Which groups of a step are asked for: their kind, and a condition on a part of the reward.

import { html } from "./html.js";
import { CONDITIONS, KINDS } from "./sieve.js";
import { number, shown } from "./text.js";

export function Sieve({ groups, parts, params, set }) {
  const counted = KINDS.map((kind) => ({ ...kind, count: groups.filter(kind.keeps).length }));
  const kinds = counted.filter((kind) => kind.count || kind.key === params.kind);
  const all = { key: null, name: "all", count: groups.length };
  return html`<div class="sieve">
    <div class="choices" role="group" aria-label="which groups">
      ${[all, ...kinds].map(({ key, name, count }) => {
        const pressed = key === (params.kind ?? null);
        return html`<button key=${key} type="button" aria-pressed=${pressed} onClick=${() => set({ kind: key })}>
          ${name} <span class="muted">${number(count)}</span>
        </button>`;
      })}
    </div>
    ${parts.length > 0 && html`<${OfPart} parts=${parts} params=${params} set=${set} />`}
  </div>`;
}

function OfPart({ parts, params, set }) {
  const part = (event) => set({ part: event.target.value || null });
  const is = (event) => set({ is: event.target.value });
  return html`<label>part <select value=${params.part ?? ""} onChange=${part}>
      <option value="">any</option>
      ${parts.map((name) => html`<option key=${name} value=${name}>${shown(name)}</option>`)}
    </select></label>
    ${params.part
    && html`<select aria-label="condition of the part" value=${params.is ?? CONDITIONS[0].key} onChange=${is}>
      ${CONDITIONS.map(({ key, name }) => html`<option key=${key} value=${key}>${name}</option>`)}
    </select>`}`;
}
