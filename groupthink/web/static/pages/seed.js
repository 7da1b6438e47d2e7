// The worked example: one problem, three responses, and the five steps with the figures that they really gave.

import { html } from "../parts/html.js";
import { link } from "../parts/route.js";
import { Page, Waited, useData } from "../parts/page.js";
import { Strip } from "../parts/dots.js";
import { Chain, known, number, fixed, signed, shown } from "../parts/text.js";
import { trueDigits } from "../parts/true_digits.js";
import { Drift } from "./drift.js";

const FINE = 5; // decimals of what the update did

export default function Seed({ params }) {
  const found = useData("/api/seed");
  return html`<${Page} title="Five steps, one group" crumbs=${[{ text: "Runs", href: link("runs") }]}>
    <p class="lead">A policy learns to reason without a label, a critic or a teacher: it answers one problem several
      times, and moves towards the answers that were better than its own average. Here this happens once, to three
      responses, with the bundled model. All figures were computed by the code that trains.</p>
    <${Waited} found=${found} what="Working the example through, which takes some seconds the first time">${(seed) =>
      html`<${Story} seed=${seed} asTable=${params.table === "1"} />`}</${Waited}>
  </${Page}>`;
}

function Story({ seed, asTable }) {
  const each = seed.responses.map((response, at) => {
    const accuracy = seed.parts[at]?.accuracy;
    return {
      ...response,
      reward: seed.rewards[at],
      parts: seed.parts[at] ?? {},
      advantage: seed.advantages[at],
      before: seed.logprob_before[at],
      after: seed.logprob_after[at],
      right: known(accuracy) ? accuracy === 1 : null,
    };
  });
  return html`<ol class="seed-steps">
    <${Step} number="1" title="Several responses to one problem"
      figure=${html`<${Responses} seed=${seed} each=${each} />`}>
      All three come from the same policy. A factors; B takes the formula, and takes it twice; C answers without a
      thought.
    </${Step}>
    <${Step} number="2" title="A reward for each, by rules" figure=${html`<${Rewards} each=${each} />`}>
      Nobody grades by hand. One rule compares the answer with the right one, another looks at the form, a third at the
      length.
    </${Step}>
    <${Step} number="3" title="The average of the group" figure=${html`<${Average} each=${each} mean=${seed.mean} />`}>
      The group is its own yardstick: no second model has to guess what a response ought to be worth.
    </${Step}>
    <${Step} number="4" title="Each against the average"
      figure=${html`<${Advantages} each=${each} mean=${seed.mean} />`}>
      What is left is the advantage. Above the average it pulls, below it pushes. Where all are level, nothing is
      learned.
    </${Step}>
    <${Step} number="5" title="One update of the policy"
      figure=${html`<${Update} each=${each} seed=${seed} asTable=${asTable} />`}>
      The weights move once. The mean log-probability of a token changes with the sign of the advantage: up for A and B,
      down for C. A term for KL holds the policy near the one it began as, so that it does not forget how to write.
    </${Step}>
  </ol>`;
}

function Step({ number: place, title, figure, children }) {
  return html`<li class="seed-step">
    <div class="seed-words">
      <span class="seed-number" aria-hidden="true">${place}</span><h2>${title}</h2><p>${children}</p>
    </div>
    <div class="seed-figure">${figure}</div>
  </li>`;
}

function Responses({ seed, each }) {
  return html`<p class="seed-problem">${shown(seed.prompt)}</p>
    <div class="seed-chains">${each.map((one) => html`<${Response} key=${one.name} one=${one} />`)}</div>`;
}

function Response({ one: { name, text, reasoning, answer } }) {
  return html`<section class="seed-response" aria-label=${`response ${name}`}>
    <h3>${name}</h3><${Chain} text=${text} reasoning=${reasoning} answer=${answer} />
  </section>`;
}

// heads: the columns' titles; the first cell of a row is its head, all others are figures
function Figures({ label, heads, rows }) {
  return html`<div class="table-wrap" role="region" tabindex="0" aria-label=${label}><table class="seed-table">
    <thead><tr>${heads.map(
      (head, at) => html`<th key=${head} scope="col" class=${at ? "right" : null}>${head}</th>`,
    )}</tr></thead>
    <tbody>${rows.map(
      ([head, ...cells]) => html`<tr key=${head}>
        <th scope="row">${head}</th>${cells.map((cell, at) => html`<td key=${at} class="right">${cell}</td>`)}
      </tr>`,
    )}</tbody>
  </table></div>`;
}

function Rewards({ each }) {
  const names = [...new Set(each.flatMap((one) => Object.keys(one.parts)))];
  const rows = each.map((one) => [
    one.name,
    ...names.map((name) => number(one.parts[name])),
    html`<strong>${fixed(one.reward, 1)}</strong>`,
  ]);
  return html`<${Figures} label="rewards" heads=${["response", ...names.map(shown), "reward"]} rows=${rows} />`;
}

function Average({ each, mean }) {
  const dots = each.map((one) => ({ ...one, response: one.name }));
  const sum = each.map((one) => fixed(one.reward, 1)).join(" + ");
  return html`<p class="seed-sum">(${sum}) / ${each.length} = <strong>${fixed(mean, 2)}</strong></p>
    <${Strip} responses=${dots} mean=${mean} labels=${true} named height=${36} />`;
}

// bars from the average, to the right and to the left
function Advantages({ each, mean }) {
  const most = Math.max(...each.map((one) => Math.abs(one.advantage)), 1e-9);
  return html`<div class="seed-bars">${each.map(({ name, reward, advantage }) => {
    const width = (46 * Math.abs(advantage)) / most;
    const up = advantage >= 0;
    return html`<div key=${name} class="seed-bar">
      <span>${name}</span>
      <span class="seed-sum">${fixed(reward, 1)} − ${fixed(mean, 2)} = <strong>${signed(advantage, 2)}</strong></span>
      <svg width="100%" height="14" aria-hidden="true">
        <line class="strip-mean" x1="50%" x2="50%" y1="0" y2="14" />
        <rect class=${up ? "seed-up" : "seed-down"} x=${`${up ? 50 : 50 - width}%`} y="3" width=${`${width}%`}
          height="8" />
      </svg>
    </div>`;
  })}</div>`;
}

function Update({ each, seed, asTable }) {
  const moves = each.map(({ before, after }) => [before, after, Number((after - before).toFixed(FINE)), 10 ** -FINE]);
  const decimals = trueDigits(moves, FINE);
  const rows = each.map(({ name, advantage, before, after }) => {
    const change = after - before;
    const [ink, sign] = change >= 0 ? ["ink-up", "▲"] : ["ink-down", "▼"];
    const moved = html`<span class=${ink}>${sign} ${signed(change, FINE)}</span>`;
    return [name, signed(advantage, 2), fixed(before, decimals), fixed(after, decimals), moved];
  });
  const heads = ["response", "advantage", "before", "after", "change, nats a token"];
  return html`<${Figures} label="the update" heads=${heads} rows=${rows} />
    <${Drift} seed=${seed} asTable=${asTable} />`;
}
