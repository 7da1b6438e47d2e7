// One problem through training: how often it was solved, what was written at each visit, and how that differs.

import { html, useEffect, useMemo, useState } from "../parts/html.js";
import { asVisit, chainsOf, chosenChains, overSteps, readChain, traitReadings } from "../parts/chains.js";
import { Curve } from "../parts/chart.js";
import { Compare } from "../parts/compare.js";
import { DotLegend, Strip } from "../parts/dots.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { ends } from "../parts/scale.js";
import { Chain, count, known, number, oneLine, percent, Prompt, shown, Sign } from "../parts/text.js";

const LONG = 90;
const MOST_TRAITS = 6;
const MOST_OPTIONS = 2000;
const AGAIN = 700; // milliseconds after which it is asked how far the reading has come

export default function Problem({ params }) {
  const { run, problem } = params;
  const [turn, setTurn] = useState(0);
  const found = useData("problem", { run, problem }, turn);
  const reading = found.data && found.data.steps < found.data.of;
  useEffect(() => {
    const timer = reading ? setTimeout(() => setTurn(turn + 1), AGAIN) : null;
    return () => clearTimeout(timer);
  }, [reading, found.data]);
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
    { text: "problems", href: link("problems", { run }) },
  ];
  const title = found.data ? oneLine(found.data.prompt, LONG) : `Problem ${problem}`;
  return html`<${Page} title=${title} crumbs=${crumbs}>
    <${Waited} found=${found} what="Reading the problem">${(data) => html`<${Body} data=${data} params=${params} />`}</${Waited}>
  </${Page}>`;
}

function Body({ data, params }) {
  const reading = data.steps < data.of;
  const set = (changes) => go("problem", { ...params, ...changes }, true);
  const chains = useMemo(() => chainsOf(data, params.run), [data, params.run]);
  const visits = data.visits ?? [];
  const evaluations = data.evaluations ?? [];
  const long = Array.isArray(data.prompt) || oneLine(data.prompt, LONG).endsWith("…");
  return html`<div class="problem-page">
    ${long && html`<details class="fold problem-text" open><summary>the problem</summary><${Prompt} prompt=${data.prompt} /></details>`}
    <p class="story">${reading ? `${number(data.steps)} of ${count(data.of, "step")} read so far: ` : ""}${storyOf(visits, reading)}</p>
    <dl class="facts">
      <div><dt>expected</dt><dd>${data.expected === null || data.expected === undefined ? "nobody knows" : html`<code>${shown(data.expected)}</code>`}</dd></div>
      ${data.task && html`<div><dt>task</dt><dd>${shown(data.task)}</dd></div>`}
      <div><dt>name</dt><dd>${shown(data.problem)}</dd></div>
    </dl>
    <${Curves} visits=${visits} evaluations=${evaluations} params=${params} />
    ${chains.length > 1 && html`<${Difference} chains=${chains} params=${params} set=${set} />`}
    <${Visits} visits=${visits} params=${params} set=${set} />
    <${Evaluations} evaluations=${evaluations} params=${params} set=${set} />
  </div>`;
}

function storyOf(visits, reading) {
  if (!visits.length) return reading ? "no visit yet." : "It was not trained on: evaluations have asked it.";
  const [first, last] = [visits[0], visits.at(-1)];
  if (visits.length === 1) return `Visited once, at step ${first.step}${known(first.rate) ? `: ${percent(first.rate, 0)} of its responses were right` : ""}.`;
  const rates = known(first.rate) && known(last.rate) ? `: ${percent(first.rate, 0)} of its responses were right at first, ${percent(last.rate, 0)} at last` : "";
  return `${count(visits.length, "visit")} from step ${first.step} to step ${last.step}${rates}.`;
}

function Curves({ visits, evaluations, params }) {
  const tested = useMemo(() => evaluations.filter((one) => known(one.step)).map(asVisit), [evaluations]);
  const shared = useMemo(() => {
    const all = [...visits, ...tested];
    const readings = {
      "pass rate": (visit) => (tested.includes(visit) ? null : visit.rate),
      evaluation: (visit) => (tested.includes(visit) ? visit.rate : null),
      tokens: (visit) => visit.length,
    };
    const traits = traitReadings(all);
    const [x, values] = overSteps(all, { ...readings, ...traits });
    return { x, values, traits: Object.keys(traits) };
  }, [visits, tested]);
  const { x, values, traits } = shared;
  const open = (step) => {
    const visit = visits.find((one) => one.step === step);
    if (visit) go("group", { run: params.run, step, group: visit.group });
  };
  if (x.length < 2) return traits.length ? html`<${Methods} visits=${[...visits, ...tested]} traits=${traits} />` : null;
  const sparse = (name, label) => ({ name: label ?? name, values: values[name], points: true });
  const rates = ["pass rate", "evaluation"].filter((name) => values[name].some(known)).map((name) => sparse(name));
  return html`<section class="section" aria-labelledby="through-title">
    <h2 id="through-title">Through training</h2>
    <div class="curves">
      ${rates.length > 0 && html`<${Curve} title="right" x=${x} series=${rates} min=${0} max=${1} format=${(value) => percent(value, 0)} onStep=${open} syncKey="problem" />`}
      <${Curve} title="tokens" x=${x} series=${[sparse("tokens")]} onStep=${open} syncKey="problem" />
      ${traits.length > 0 && html`<${Curve} title="method" x=${x} series=${traits.slice(0, MOST_TRAITS).map((name) => sparse(name, shown(name)))} min=${0} max=${1}
        format=${(value) => percent(value, 0)} onStep=${open} syncKey="problem" note="the share of responses that have each trait" />`}
    </div>
    ${traits.length > 0 && html`<${Methods} visits=${[...visits, ...tested]} traits=${traits} />`}
  </section>`;
}

// The same as bars: the first visit, the last, and those between
function Methods({ visits, traits }) {
  const readings = traitReadings(visits);
  const ordered = visits.filter((visit) => visit.methods).sort((a, b) => a.step - b.step);
  const some = ordered.length <= 12 ? ordered : Array.from({ length: 12 }, (_, i) => ordered[Math.round((i * (ordered.length - 1)) / 11)]);
  return html`<details class="fold"><summary>how its method changed, visit by visit</summary>
    <div class="table-wrap" tabindex="0" role="region" aria-label="methods by visit"><table class="methods">
      <thead><tr><th scope="col">trait</th>${some.map((visit, i) => html`<th key=${i} scope="col">step ${visit.step}</th>`)}</tr></thead>
      <tbody>${traits.map((name) => html`<tr key=${name}><th scope="row">${shown(name)}</th>
        ${some.map((visit, i) => {
          const share = readings[name](visit);
          return html`<td key=${i}><span class="share" style=${{ "--share": `${100 * share}%` }} aria-hidden="true"></span>${percent(share, 0)}</td>`;
        })}</tr>`)}</tbody>
    </table></div>
  </details>`;
}

function Difference({ chains, params, set }) {
  const [first, second] = chosenChains(chains, params.a, params.b);
  const view = params.view === "joined" ? "joined" : "apart";
  const choice = (name, label, chosen) => html`<label>${label} <select value=${chosen.id} onChange=${(event) => set({ [name]: event.target.value })}>
    ${chains.slice(0, MOST_OPTIONS).map((one) => html`<option key=${one.id} value=${one.id}>${describe(one)}</option>`)}
  </select></label>`;
  return html`<section class="section" aria-labelledby="difference-title">
    <h2 id="difference-title">What differs</h2>
    <div class="controls">
      ${choice("a", "between", first)} ${choice("b", "and", second)}
      <button type="button" onClick=${() => set({ a: second.id, b: first.id })}>swap</button>
      <label><input type="checkbox" checked=${view === "joined"} onChange=${(event) => set({ view: event.target.checked ? "joined" : null })} /> in one text</label>
    </div>
    <${Compare} first=${first} second=${second} view=${view} />
  </section>`;
}

function describe(one) {
  const sign = one.right === true ? "✓" : one.right === false ? "✗" : "·";
  return `${one.title} ${sign}${known(one.reward) ? ` ${number(one.reward)}` : ""}, ${count(one.length, "token")}`;
}

function Visits({ visits, params, set }) {
  const [min, max] = useMemo(() => ends(visits.flatMap((visit) => (visit.responses ?? []).map((one) => one.reward))), [visits]);
  if (!visits.length) return null;
  const open = opened(params.open);
  return html`<section class="section" aria-labelledby="visits-title">
    <h2 id="visits-title">Visits</h2>
    <${DotLegend} />
    <ol class="visits">${visits.map((visit) => {
      const name = `${visit.step}.${visit.group}`;
      const where = { run: params.run, step: visit.step, group: visit.group };
      return html`<li key=${name} class="visit">
        <div class="visit-row">
          <a href=${link("group", where)}>step ${visit.step}</a>
          <span class="visit-figures">${known(visit.rate) ? `${percent(visit.rate, 0)} right` : ""} <span class="muted">${known(visit.length) ? `${number(Math.round(visit.length))} tokens` : ""}</span></span>
          ${visit.responses && html`<span class="visit-strip"><${Strip} responses=${visit.responses} mean=${visit.mean}
            min=${min} max=${max} onPick=${(response) => go("response", { ...where, response })} /></span>`}
        </div>
        ${visit.responses && html`<${Fold} name=${name} label=${`${count(visit.responses.length, "chain")} of step ${visit.step}`} open=${open} set=${set}>
          ${() => html`<${Cards} chains=${visit.responses.map((one) => ({ ...one, id: `t.${name}.${one.response}`, title: `response ${one.response}`, href: link("response", { ...where, response: one.response }) }))} set=${set} />`}
        </${Fold}>`}
      </li>`;
    })}</ol>
  </section>`;
}

function Evaluations({ evaluations, params, set }) {
  if (!evaluations.length) return null;
  const open = opened(params.open);
  return html`<section class="section" aria-labelledby="evaluations-title">
    <h2 id="evaluations-title">Evaluations</h2>
    ${evaluations.map((one) => {
      const right = one.responses.filter((each) => each.right === true).length;
      return html`<${Fold} key=${one.name} name=${`e.${one.name}`} label=${`${one.name}: ${right} of ${count(one.responses.length, "response")} right`} open=${open} set=${set}>
        ${() => html`<${Cards} chains=${one.responses.map((each, i) => ({ ...each, id: `e.${one.name}.${i}`, title: `${each.kind ?? "sample"} ${i}` }))} set=${set} />`}
      </${Fold}>`;
    })}
  </section>`;
}

// A part that is open is in the address; what is closed is not drawn
function Fold({ name, label, open, set, children }) {
  const toggle = (event) => {
    const now = event.currentTarget.open;
    if (now === open.has(name)) return;
    const next = new Set(open);
    if (now) next.add(name);
    else next.delete(name);
    set({ open: [...next].join(",") || null });
  };
  return html`<details class="fold" open=${open.has(name)} onToggle=${toggle}><summary>${label}</summary>${open.has(name) ? children() : null}</details>`;
}

function opened(text) {
  return new Set(String(text ?? "").split(",").filter(Boolean));
}

function Cards({ chains, set }) {
  return html`<div class="cards">${chains.map((one) => html`<article key=${one.id} class="card-chain">
    <p class="card-head">${one.href ? html`<a href=${one.href}>${one.title}</a>` : shown(one.title)} <${Sign} right=${one.right} word=${true} />
      <span class="muted">${known(one.reward) ? `reward ${number(one.reward)}, ` : ""}${count(one.length, "token")}${(one.traits ?? []).length ? `; ${one.traits.map(shown).join(", ")}` : ""}</span></p>
    <${Chain} ...${readChain(one.text)} />
    <p class="card-tools"><button type="button" onClick=${() => set({ a: one.id })}>compare this</button> <button type="button" onClick=${() => set({ b: one.id })}>… with this</button></p>
  </article>`)}</div>`;
}
