// The worked example: one problem, three responses, and the five steps of the method with the figures that they really
// gave.

import { html, useMemo } from "../parts/html.js";
import { link } from "../parts/route.js";
import { Page, Waited, useData } from "../parts/page.js";
import { Curve } from "../parts/chart.js";
import { Strip } from "../parts/dots.js";
import { Text, known, number, fixed, signed, shown } from "../parts/text.js";
import { read } from "./seed_chain.js";

export default function Seed() {
  const found = useData("/api/seed");
  return html`<${Page} title="Five steps, one group" crumbs=${[{ text: "Runs", href: link("runs") }]}>
    <p class="lead">A policy learns to reason without a label, a critic or a teacher: it answers one problem several times, and moves
      towards the answers that were better than its own average. Here this happens once, to three responses, with the bundled
      model. All figures were computed just now.</p>
    <${Waited} found=${found} what="Working the example through, which takes some seconds the first time">${(seed) =>
      html`<${Story} seed=${seed} />`}</${Waited}>
  </${Page}>`;
}

function Story({ seed }) {
  const each = seed.responses.map(({ name, text }, at) => ({
    name, text, at,
    reward: seed.rewards[at],
    parts: seed.parts[at] ?? {},
    advantage: seed.advantages[at],
    before: seed.logprob_before[at],
    after: seed.logprob_after[at],
    right: seed.parts[at]?.accuracy === undefined
      || seed.parts[at].accuracy === null ? null : seed.parts[at].accuracy === 1,
  }));
  return html`<ol class="seed-steps">
    <${Step} number="1" title="Several responses to one problem" figure=${html`<p
      class="seed-problem">${shown(seed.prompt)}</p><div class="seed-chains">${each.map((one) => html`<${Response}
      key=${one.name} one=${one} />`)}</div>`}>
      <p>All three come from the same policy. A factors; B takes the formula, and takes it twice; C answers without a thought.</p>
    </${Step}>
    <${Step} number="2" title="A reward for each, by rules" figure=${html`<${Rewards} each=${each} />`}>
      <p>Nobody grades by hand. A rule compares the answer with the right one, another looks at the form, a third at the length.</p>
    </${Step}>
    <${Step} number="3" title="The average of the group" figure=${html`<${Average} each=${each} mean=${seed.mean} />`}>
      <p>The group is its own yardstick: no second model has to guess what a response ought to be worth.</p>
    </${Step}>
    <${Step} number="4" title="Each against the average" figure=${html`<${Advantages} each=${each}
      mean=${seed.mean} />`}>
      <p>What is left is the advantage. Above the average it pulls, below it pushes. Where all are level, nothing is learned.</p>
    </${Step}>
    <${Step} number="5" title="One update of the policy" figure=${html`<${Update} each=${each} seed=${seed} />`}>
      <p>The weights move once. The mean log-probability of a token of A and of B has become higher, that of C lower. A term for KL
        holds the policy near the one it began as, so that it does not forget how to write.</p>
    </${Step}>
  </ol>`;
}

function Step({ number: place, title, figure, children }) {
  return html`<li class="seed-step">
    <div class="seed-words"><span class="seed-number"
      aria-hidden="true">${place}</span><h2>${title}</h2>${children}</div>
    <div class="seed-figure">${figure}</div>
  </li>`;
}

function Response({ one }) {
  const { reasoning, answer } = read(one.text);
  return html`<section class="seed-response" aria-label=${`response ${one.name}`}>
    <h3>${one.name}</h3>
    <div class="chain-reasoning"><span class="chain-label">reasoning</span>${reasoning.trim() ? html`<${Text}
      text=${reasoning.trim()} />` : html`<span class="none">none</span>`}</div>
    <div class="chain-answer"><span class="chain-label">answer</span><${Text} text=${answer} /></div>
  </section>`;
}

function Rewards({ each }) {
  const names = [...new Set(each.flatMap((one) => Object.keys(one.parts)))];
  return html`<div class="table-wrap" role="region" tabindex="0" aria-label="rewards"><table class="seed-table">
    <thead><tr><th scope="col">response</th>${names.map((name) => html`<th key=${name} scope="col"
      class="right">${shown(name)}</th>`)}<th scope="col" class="right">reward</th></tr></thead>
    <tbody>${each.map((one) => html`<tr key=${one.name}><th scope="row">${one.name}</th>
      ${names.map((name) => html`<td key=${name}
        class="right">${known(one.parts[name]) ? number(one.parts[name]) : "–"}</td>`)}
      <td class="right"><strong>${fixed(one.reward, 1)}</strong></td></tr>`)}</tbody>
  </table></div>`;
}

function Average({ each, mean }) {
  const dots = each.map((one) => ({ response: one.name,
    reward: one.reward, right: one.right, advantage: one.advantage }));
  return html`<p class="seed-sum">(${each.map((one) =>
    fixed(one.reward, 1)).join(" + ")}) / ${each.length} = <strong>${fixed(mean, 2)}</strong></p>
    <${Strip} responses=${dots} mean=${mean} labels=${true} height=${30} />`;
}

// bars from the average, to the right and to the left
function Advantages({ each, mean }) {
  const most = Math.max(...each.map((one) => Math.abs(one.advantage)), 1e-9);
  return html`<div class="seed-bars">${each.map((one) => {
    const width = (46 * Math.abs(one.advantage)) / most;
    const up = one.advantage >= 0;
    return html`<div key=${one.name} class="seed-bar">
      <span>${one.name}</span><span
        class="seed-sum">${fixed(one.reward, 1)} − ${fixed(mean, 2)} = <strong>${signed(one.advantage, 2)}</strong></span>
      <svg width="100%" height="14" aria-hidden="true"><line class="strip-mean" x1="50%" x2="50%" y1="0" y2="14" />
        <rect class=${up ? "seed-up" : "seed-down"} x=${`${up ? 50 : 50 - width}%`} y="3" width=${`${width}%`}
          height="8" /></svg>
    </div>`;
  })}</div>`;
}

function Update({ each, seed }) {
  return html`<div class="table-wrap" role="region" tabindex="0" aria-label="the update"><table class="seed-table">
      <thead><tr><th scope="col">response</th><th scope="col" class="right">advantage</th><th scope="col"
        class="right">before</th><th scope="col" class="right">after</th><th scope="col"
        class="right">change, nats a token</th></tr></thead>
      <tbody>${each.map((one) => {
        const change = one.after - one.before;
        return html`<tr key=${one.name}><th scope="row">${one.name}</th><td
          class="right">${signed(one.advantage, 2)}</td>
          <td class="right">${fixed(one.before, 5)}</td><td class="right">${fixed(one.after, 5)}</td>
          <td class="right"><span
            class=${change >= 0 ? "ink-up" : "ink-down"}>${change >= 0 ? "▲" : "▼"} ${signed(change, 5)}</span></td></tr>`;
      })}</tbody>
    </table></div>
    <${Held} seed=${seed} />`;
}

function Held({ seed }) {
  const x = useMemo(() => seed.held.map((_, at) => at + 1), [seed]);
  const series = useMemo(() => [
    { name: "without KL term", values: seed.free, colour: 2 },
    { name: "held by KL", values: seed.held, colour: 1 },
  ], [seed]);
  return html`<div class="seed-held"><${Curve} title="How far the policy drifts" x=${x} series=${series} height=${150}
    min=${0} xName="update" axisFormat=${number}
    note=${`KL to the policy before (mean k3), after each of ${x.length} updates on the same group; after the first one ${number(seed.kl)}`} /></div>`;
}
