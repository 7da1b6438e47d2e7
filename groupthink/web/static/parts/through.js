// A problem through training: pass rate, length and method over the steps at which it was visited or asked.

import { html, useMemo } from "./html.js";
import { asVisit, overSteps, traitReadings } from "./chains.js";
import { Curve } from "./chart.js";
import { isThere } from "./in_file.js";
import { asList, go, listOf, toggled } from "./route.js";
import { known, percent, shown } from "./text.js";

const MOST_TRAITS = 6; // that are drawn; the table has all
const MOST_VISITS = 12; // columns of the table

export function Through({ visits, evaluations, run, params, set }) {
  const tested = useMemo(() => evaluations.filter((one) => known(one.step)).map(asVisit), [evaluations]);
  const all = useMemo(() => [...visits, ...tested], [visits, tested]);
  const { x, values, traits } = useMemo(() => series(visits, all), [visits, all]);
  const groupAt = (step) => {
    const visit = visits.find((one) => one.step === step);
    return visit ? { run, step, group: visit.group } : null;
  };
  const leads = (step) => groupAt(step) !== null && isThere("group", groupAt(step));
  const methods = traits.length > 0 && html`<${Methods} visits=${all} traits=${traits} />`;
  if (x.length < 2) return methods || null;
  const sparse = (name) => ({ name: shown(name), values: values[name], points: true });
  const rates = ["pass rate", "evaluation"].filter((name) => values[name].some(known)).map(sparse);
  const tables = listOf(params.tables);
  const shared = { x, onStep: (step) => go("group", groupAt(step)), leads, syncKey: "problem" };
  const told = (title) => ({
    title,
    asTable: tables.includes(title),
    onTable: () => set({ tables: asList(toggled(tables, title)) }),
  });
  const shares = { ...shared, min: 0, max: 1, format: (value) => percent(value, 0) };
  return html`<section class="section" aria-labelledby="through-title">
    <h2 id="through-title">Through training</h2>
    <div class="curves">
      ${rates.length > 0 && html`<${Curve} ...${told("right")} series=${rates} ...${shares} />`}
      <${Curve} ...${told("tokens")} series=${[sparse("tokens")]} ...${shared} />
      ${traits.length > 0
      && html`<${Curve}
        ...${told("method")} series=${traits.slice(0, MOST_TRAITS).map(sparse)} ...${shares}
        note="the share of responses that have each trait"
      />`}
    </div>
    ${methods}
  </section>`;
}

// visits: of training; all: with those of evaluations
function series(visits, all) {
  const trained = new Set(visits);
  const readings = {
    "pass rate": (visit) => (trained.has(visit) ? visit.rate : null),
    evaluation: (visit) => (trained.has(visit) ? null : visit.rate),
    tokens: (visit) => visit.length,
  };
  const traits = traitReadings(all);
  const [x, values] = overSteps(all, { ...readings, ...traits });
  return { x, values, traits: Object.keys(traits) };
}

// The same as a table with bars: the first visit, the last, and some between
function Methods({ visits, traits }) {
  const readings = traitReadings(visits);
  const ordered = visits.filter((visit) => visit.methods).sort((a, b) => a.step - b.step);
  const place = (i) => Math.round((i * (ordered.length - 1)) / (MOST_VISITS - 1));
  const few = ordered.length <= MOST_VISITS;
  const some = few ? ordered : Array.from({ length: MOST_VISITS }, (_, i) => ordered[place(i)]);
  return html`<details class="fold">
    <summary>how its method changed, visit by visit</summary>
    <div class="table-wrap" tabindex="0" role="region" aria-label="methods by visit"><table class="methods">
      <thead><tr>
        <th scope="col">trait</th>${some.map((visit, i) => html`<th key=${i} scope="col">step ${visit.step}</th>`)}
      </tr></thead>
      <tbody>${traits.map((name) => html`<tr key=${name}>
        <th scope="row">${shown(name)}</th>
        ${some.map((visit, i) => html`<td key=${i}><${Share} share=${readings[name](visit)} /></td>`)}
      </tr>`)}</tbody>
    </table></div>
  </details>`;
}

function Share({ share }) {
  const style = { "--share": `${100 * share}%` };
  return html`<span class="share" style=${style} aria-hidden="true"></span>${percent(share, 0)}`;
}
