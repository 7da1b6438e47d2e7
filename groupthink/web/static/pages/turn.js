// One question and what the models said: a response each, or a group each, scored.

import { html, useState } from "../parts/html.js";
import { Strip } from "../parts/dots.js";
import { Chain, Sign, known, number, fixed, signed, count, shown } from "../parts/text.js";

export function Turn({ turn }) {
  return html`<article class="turn">
    <h2 class="turn-question">${shown(turn.question)}${turn.expected ? html` <span
      class="muted">expected: ${shown(turn.expected)}</span>` : null}</h2>
    <div class="turn-columns">${turn.columns.map(
      (responses, at) => html`<section key=${at} class="turn-column" aria-label=${shown(turn.titles[at])}>
        <h3>${shown(turn.titles[at])}</h3>
        <${Column} responses=${responses.filter(Boolean)} over=${turn.over} />
      </section>`,
    )}</div>
  </article>`;
}

function Column({ responses, over }) {
  if (!responses.length) return html`<p class="muted">${over ? "nothing was said" : "…"}</p>`;
  if (responses.length === 1) return html`<${Alone} one=${responses[0]} over=${over} />`;
  return html`<${Several} responses=${responses} over=${over} />`;
}

function Alone({ one, over }) {
  return html`<${Said} one=${one} over=${over} />${one.done ? html`<${Scored} done=${one.done} />` : null}`;
}

// a group: its dots, and under them each response, the best first once all are there
function Several({ responses, over }) {
  const [open, setOpen] = useState(null);
  const done = responses.filter((one) => one.done);
  const rewards = done.map((one) => one.done.reward).filter(known);
  const mean = rewards.length ? rewards.reduce((a, b) => a + b, 0) / rewards.length : null;
  const dots = done.map(({ response, done: { reward, right } }) => ({ response, reward, right, advantage: known(reward)
    && mean !== null ? reward - mean : null }));
  const right = done.filter((one) => one.done.right === true).length;
  const judged = done.filter((one) => one.done.right !== null && one.done.right !== undefined).length;
  const tokens = done.reduce((sum, one) => sum + (one.done.tokens ?? 0), 0) / Math.max(done.length, 1);
  const order = over ? [...responses].sort((a, b) =>
    (b.done?.reward ?? -Infinity) - (a.done?.reward ?? -Infinity)) : responses;
  return html`
    <p class="turn-sum">${judged ? html`<strong>${right} of ${judged} right</strong> · ` : null}${mean === null ? null
      : html`mean reward ${fixed(mean, 3)} · `}${
      done.length ? html`${count(Math.round(tokens), "token")} each` : "…"
    }</p>
    ${rewards.length ? html`<${Strip} responses=${dots} mean=${mean} labels=${true} picked=${open} onPick=${(one) =>
      setOpen(open === one ? null : one)} />` : null}
    <ol class="turn-group">${order.map(
      (one) => html`<li key=${one.response} class=${open === one.response ? "turn-picked" : null}>
        <details open=${open === one.response}>
          <summary>${one.done ? html`<${Sign} right=${one.done.right} /> ` : "… "}<span class="turn-figures">${
            known(one.done?.reward) ? html`${fixed(one.done.reward, 2)} <span
              class="muted">${mean === null ? "" : signed(one.done.reward - mean, 2)}</span>` : null
          }</span> <span
            class="turn-answer">${shown((one.done?.answer ?? one.answer ?? one.reasoning ?? "").slice(-80))}</span></summary>
          <${Said} one=${one} over=${over} />${one.done ? html`<${Scored} done=${one.done} />` : null}
        </details>
      </li>`,
    )}</ol>`;
}

function Said({ one, over }) {
  if (one.done) return html`<${Chain} text=${`${one.done.reasoning ?? ""}${one.done.answer ?? ""}`}
    reasoning=${one.done.reasoning} answer=${one.done.answer} fold="open" />`;
  const growing = one.answer === null ? (over ? null : "…") : one.answer;
  return html`<${Chain} text="" reasoning=${one.reasoning} answer=${growing} fold="open" />`;
}

function Scored({ done }) {
  const parts = Object.entries(done.parts ?? {}).filter(([, value]) => known(value));
  return html`<p class="turn-scored">
    ${known(done.reward) ? html`<${Sign} right=${done.right}
      word=${true} /> · reward <strong>${fixed(done.reward, 3)}</strong>` : null}
    ${parts.map(([name, value]) => html`<span key=${name} class="muted"> · ${shown(name)} ${number(value)}</span>`)}
    ${done.note ? html`<span class="muted"> · ${shown(done.note)}</span>` : null}
    <span
      class="muted"> · ${count(done.tokens, "token")}${done.finish === "length" ? ", cut" : ""}${done.formed === false ? ", not well formed" : ""}</span>
  </p>`;
}
