// One question and what the models said: a response each, or a group each, scored.

import { html, useState } from "../parts/html.js";
import { Strip } from "../parts/dots.js";
import { Chain, Sign, known, number, fixed, signed, count, shown } from "../parts/text.js";

export function Turn({ turn }) {
  return html`<article class="turn">
    <h2 class="turn-question">${shown(turn.question)}${
      turn.expected ? html` <span class="muted">expected: ${shown(turn.expected)}</span>` : null
    }</h2>
    <div class="turn-columns">${turn.columns.map((responses, at) => {
      const title = shown(turn.titles[at]);
      return html`<section key=${at} class="turn-column" aria-label=${title}>
        <h3>${title}</h3><${Column} responses=${responses.filter(Boolean)} turn=${turn} ready=${turn.ready[at]} />
      </section>`;
    })}</div>
  </article>`;
}

function Column({ responses, turn, ready }) {
  const over = turn.over && (turn.stopped ? "■ stopped before it was done" : "■ broke off before it was done");
  if (!responses.length) return html`<${Silent} over=${over} ready=${ready} />`;
  if (responses.length === 1) return html`<${Said} one=${responses[0]} over=${over} />`;
  return html`<${Several} responses=${responses} over=${over} />`;
}

function Silent({ over, ready }) {
  if (over) return html`<p class="muted">${over}: nothing was said</p>`;
  const why = ready ? "" : "The model is being loaded, which takes some seconds the first time";
  return html`<p class="loading">${why}…</p>`;
}

// over: false, or what is to be said of responses that are not done

// a group: its dots, and under them each response, the best first once all are there
function Several({ responses, over }) {
  const [open, setOpen] = useState(null);
  const done = responses.filter((one) => one.done);
  const rewards = done.map((one) => one.done.reward).filter(known);
  const mean = rewards.length ? average(rewards) : null;
  const gain = (one) => (mean !== null && known(one.done?.reward) ? one.done.reward - mean : null);
  const dots = done.map((one) => ({ response: one.response, ...one.done, advantage: gain(one) }));
  const worth = (one) => one.done?.reward ?? -Infinity;
  const order = over ? [...responses].sort((a, b) => worth(b) - worth(a)) : responses;
  return html`
    <p class="turn-sum">${done.length ? inWords(done, mean) : over || "…"}</p>
    ${mean !== null && html`<${Strip} responses=${dots} mean=${mean} labels=${true} height="free" picked=${open}
      onPick=${(one) => setOpen(open === one ? null : one)} />`}
    <ol class="turn-group">${order.map(
      (one) => html`<li key=${one.response}>
        <details open=${open === one.response}>
          <summary><${Brief} one=${one} gain=${gain(one)} over=${over} /></summary><${Said} one=${one} over=${over} />
        </details>
      </li>`,
    )}</ol>`;
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function inWords(done, mean) {
  const judged = done.filter((one) => typeof one.done.right === "boolean");
  const right = judged.filter((one) => one.done.right).length;
  const told = [`${count(Math.round(average(done.map((one) => one.done.tokens ?? 0))), "token")} each`];
  if (mean !== null) told.unshift(`mean reward ${fixed(mean, 3)}`);
  if (judged.length) told.unshift(`${right} of ${judged.length} right`);
  return told.join(" · ");
}

function Brief({ one, gain, over }) {
  const end = shown(one.done?.answer ?? one.answer ?? one.reasoning ?? "").slice(-80);
  return html`${one.done ? html`<${Sign} right=${one.done.right} />` : over ? "■" : "…"} ${known(one.done?.reward) &&
    html`<span class="turn-figures">${fixed(one.done.reward, 2)} <span class="muted">${signed(gain, 2)}</span></span>`
  } <span class="turn-answer">${end}</span>`;
}

function Said({ one, over }) {
  if (!one.done) {
    const growing = one.answer ?? (over ? null : "…");
    return html`<${Chain} text="" reasoning=${one.reasoning} answer=${growing} fold="open" />
      ${over && html`<p class="turn-scored">${over}</p>`}`;
  }
  const { reasoning, answer } = one.done;
  return html`<${Chain} text=${reasoning ?? answer ?? ""} reasoning=${reasoning} answer=${answer} fold="open" />
    <${Scored} done=${one.done} />`;
}

function Scored({ done }) {
  const parts = Object.entries(done.parts ?? {}).filter(([, value]) => known(value));
  const told = [
    ...parts.map(([name, value]) => `${shown(name)} ${number(value)}`),
    done.note ? shown(done.note) : null,
    count(done.tokens, "token"),
    done.finish === "length" ? "cut off" : null,
    done.formed === false ? "not well formed" : null,
  ].filter(Boolean);
  return html`<p class="turn-scored">
    ${known(done.reward) && html`<${Sign} right=${done.right} word />, reward${" "}
      <strong>${fixed(done.reward, 3)}</strong>${" · "}`}
    <span class="muted">${told.join(" · ")}</span>
  </p>`;
}
