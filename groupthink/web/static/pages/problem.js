// One problem through training: how often it was solved, what was written at each visit, and how that differs.

import { html, useEffect, useMemo, useState } from "../parts/html.js";
import { chainsOf } from "../parts/chains.js";
import { Difference } from "../parts/compare.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { count, known, number, oneLine, percent, Prompt, shown } from "../parts/text.js";
import { Through } from "../parts/through.js";
import { Evaluations, Visits } from "../parts/visits.js";

const LONG = 90; // characters of a problem that is the page's title; a longer one stands below it, too
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
    <${Waited} found=${found} what="Reading the problem">
      ${(data) => html`<${Body} data=${data} params=${params} />`}
    </${Waited}>
  </${Page}>`;
}

function Body({ data, params }) {
  const set = (changes) => go("problem", { ...params, ...changes }, true);
  const chains = useMemo(() => chainsOf(data, params.run), [data, params.run]);
  const visits = data.visits ?? [];
  const evaluations = data.evaluations ?? [];
  const long = Array.isArray(data.prompt) || oneLine(data.prompt, LONG).endsWith("…");
  const expected = data.expected ?? null;
  return html`<div class="problem-page">
    ${long
    && html`<details class="problem-text" open>
      <summary>the problem</summary>
      <${Prompt} prompt=${data.prompt} />
    </details>`}
    <p class="story">${sofar(data)}${story(visits, data.steps < data.of)}</p>
    <dl class="facts">
      <div><dt>expected</dt><dd>${expected === null ? "nobody knows" : html`<code>${shown(expected)}</code>`}</dd></div>
      ${data.task && html`<div><dt>task</dt><dd>${shown(data.task)}</dd></div>`}
      <div><dt>name</dt><dd>${shown(data.problem)}</dd></div>
    </dl>
    <${Through} visits=${visits} evaluations=${evaluations} run=${params.run} params=${params} set=${set} />
    ${chains.length > 1 && html`<${Difference} chains=${chains} params=${params} set=${set} />`}
    <${Visits} visits=${visits} params=${params} set=${set} />
    <${Evaluations} evaluations=${evaluations} params=${params} set=${set} />
  </div>`;
}

// of a long run its steps are read while the page is looked at
function sofar(data) {
  return data.steps < data.of ? `${number(data.steps)} of ${count(data.of, "step")} read so far: ` : "";
}

function story(visits, reading) {
  if (!visits.length) return reading ? "no visit yet." : "It was not trained on: evaluations have asked it.";
  const [first, last] = [visits[0], visits.at(-1)];
  const right = (visit) => percent(visit.rate, 0);
  if (visits.length === 1) {
    const rate = known(first.rate) ? `: ${right(first)} of its responses were right` : "";
    return `Visited once, at step ${first.step}${rate}.`;
  }
  const both = known(first.rate) && known(last.rate);
  const rates = both ? `: ${right(first)} of its responses were right at first, ${right(last)} at last` : "";
  return `${count(visits.length, "visit")} from step ${first.step} to step ${last.step}${rates}.`;
}
