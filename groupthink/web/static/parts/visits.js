// The visits to a problem, and the evaluations that asked it: each with its responses, whose chains unfold.

import { html, useMemo } from "./html.js";
import { DotLegend, Strip } from "./dots.js";
import { asList, go, link, listOf, responseOf, toggled } from "./route.js";
import { ends } from "./scale.js";
import { Chain, count, known, number, percent, shown, Sign } from "./text.js";

export function Visits({ visits, params, set }) {
  const rewards = useMemo(() => ends(visits.flatMap(rewardsOf)), [visits]);
  if (!visits.length) return null;
  return html`<section class="section" aria-labelledby="visits-title">
    <h2 id="visits-title">Visits</h2>
    <${DotLegend} />
    <ol class="visits">
      ${visits.map((visit) => {
        const name = `${visit.step}.${visit.group}`;
        const shared = { name, visit, rewards, params, set };
        return html`<${Visit} key=${name} ...${shared} />`;
      })}
    </ol>
  </section>`;
}

// Of many visits the responses of some alone are told
function rewardsOf(visit) {
  return (visit.responses ?? []).map((one) => one.reward);
}

function Visit({ name, visit, rewards, params, set }) {
  const where = { run: params.run, step: visit.step, group: visit.group };
  const [min, max] = rewards;
  const chains = (visit.responses ?? []).map((one) => ({
    ...one,
    id: `t.${name}.${one.response}`,
    title: `response ${one.response}`,
    href: link("response", { ...where, response: one.response }),
  }));
  const label = `${count(chains.length, "chain")} of step ${visit.step}`;
  const pick = (response) => go(...responseOf(where, response));
  const leads = (response) => responseOf(where, response) !== null;
  return html`<li class="visit">
    <div class="visit-row">
      <a href=${link("group", where)}>step ${visit.step}</a>
      <span>
        ${known(visit.rate) && `${percent(visit.rate, 0)} right `}
        <span class="muted">${known(visit.length) && `${number(Math.round(visit.length))} tokens`}</span>
      </span>
      ${visit.responses
      && html`<span class="visit-strip">
        <${Strip} responses=${visit.responses} mean=${visit.mean} min=${min} max=${max} onPick=${pick}
          leads=${leads} />
      </span>`}
    </div>
    ${visit.responses
    && html`<${Fold} name=${name} label=${label} params=${params} set=${set}>
      ${() => html`<${Cards} chains=${chains} set=${set} />`}
    </${Fold}>`}
  </li>`;
}

export function Evaluations({ evaluations, params, set }) {
  if (!evaluations.length) return null;
  return html`<section class="section" aria-labelledby="evaluations-title">
    <h2 id="evaluations-title">Evaluations</h2>
    ${evaluations.map((one) => {
      const right = one.responses.filter((each) => each.right === true).length;
      const label = `${one.name}: ${right} of ${count(one.responses.length, "response")} right`;
      const chains = one.responses.map((each, i) => ({
        ...each,
        id: `e.${one.name}.${i}`,
        title: `${each.kind ?? "sample"} ${i}`,
      }));
      return html`<${Fold} key=${one.name} name=${`e.${one.name}`} label=${label} params=${params} set=${set}>
        ${() => html`<${Cards} chains=${chains} set=${set} />`}
      </${Fold}>`;
    })}
  </section>`;
}

// Which parts are open is in the address; what is closed is not drawn
function Fold({ name, label, params, set, children }) {
  const all = listOf(params.open);
  const open = all.includes(name);
  const toggle = (event) => {
    if (event.currentTarget.open !== open) set({ open: asList(toggled(all, name)) });
  };
  return html`<details class="fold" open=${open} onToggle=${toggle}>
    <summary>${shown(label)}</summary>${open ? children() : null}
  </details>`;
}

function Cards({ chains, set }) {
  return html`<div class="cards">
    ${chains.map((one) => html`<article key=${one.id} class="card-chain">
      <p class="card-head">
        ${one.href ? html`<a href=${one.href}>${one.title}</a>` : shown(one.title)}${" "}
        <${Sign} right=${one.right} word=${true} />
        <span class="muted"> ${about(one)}</span>
      </p>
      <${Chain} text=${one.text} reasoning=${one.reasoning} answer=${one.answer} />
      <p class="card-tools">
        <button type="button" onClick=${() => set({ a: one.id })}>compare this</button>${" "}
        <button type="button" onClick=${() => set({ b: one.id })}>… with this</button>
      </p>
    </article>`)}
  </div>`;
}

function about(one) {
  const told = known(one.reward) ? [`reward ${number(one.reward)}`] : [];
  told.push(count(one.length, "token"), ...(one.traits ?? []).map(shown));
  return told.join(", ");
}
