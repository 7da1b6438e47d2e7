// What is known of a response as a whole.

import { html } from "./html.js";
import { equation, inWords, obeyed, timesAsLikely } from "./asked.js";
import { link } from "./route.js";
import { moved } from "./scale.js";
import { fixed, known, number, oneLine, shown, Sign } from "./text.js";

export function ResponseFacts({ data, run }) {
  const facts = [...ofReward(data), ...ofUpdate(data), ...ofTokens(data)];
  if (data.problem) {
    const href = link("problem", { run, problem: data.problem });
    facts.push(["problem", html`<a href=${href}>${oneLine(data.problem, 60)}</a>`]);
  }
  return html`<dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function ofReward(data) {
  const parts = Object.entries(data.parts ?? {}).map(([name, value]) => `${shown(name)} ${number(value)}`);
  const [read, expected] = [data.extracted ?? null, data.expected ?? null];
  const sum = data.sum ? equation(shown(data.sum)) : number(data.reward);
  const facts = [
    ["verdict", html`<${Sign} right=${data.right} word=${true} />`],
    ["reward", html`${sum} <span class="muted">${parts.join(", ")}</span>`],
  ];
  if (data.note) facts.push(["why", shown(data.note)]);
  facts.push(["read as", read === null ? "no answer was found" : html`<code>${shown(read)}</code>`]);
  if (expected !== null) facts.push(["expected", html`<code>${shown(expected)}</code>`]);
  return facts;
}

function ofUpdate(data) {
  const facts = [];
  if (known(data.advantage)) {
    facts.push(["advantage", data.equation ? equation(shown(data.equation)) : moved(data.advantage)]);
  }
  if (known(data.change)) {
    const sign = { true: "✓ ", false: "✗ " }[obeyed(data)] ?? "";
    const told = [`${sign}${inWords(data)}: ${moved(data.change)} nats a token`, timesAsLikely(data)];
    facts.push(["the update", told.filter(Boolean).join(", ")]);
  }
  return facts;
}

function ofTokens(data) {
  const facts = [["tokens", `${number(data.length)}${data.finish === "length" ? ", cut off at the limit" : ""}`]];
  if (known(data.logprob)) {
    facts.push(["log-probability", html`${fixed(data.logprob, 3)} <span class="muted">nats a token</span>`]);
  }
  if (known(data.entropy)) facts.push(["entropy", number(data.entropy)]);
  if (known(data.kl)) facts.push(["KL to the reference", number(data.kl)]);
  if (data.versions?.length) facts.push(["weights", data.versions.join(", ")]);
  return facts;
}
