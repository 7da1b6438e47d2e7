// One step: each of its groups as a strip of dots on the axis of reward, and all responses by length and reward.

import { html, useMemo } from "../parts/html.js";
import { useFollow } from "../parts/api.js";
import { DotLegend } from "../parts/dots.js";
import { useKeys } from "../parts/keys.js";
import { beside, Near } from "../parts/near.js";
import { Page, useData, Waited } from "../parts/page.js";
import { go, link } from "../parts/route.js";
import { readBrush, Scatter, writeBrush } from "../parts/scatter.js";
import { measuredGroups, sieved } from "../parts/sieve.js";
import { Sieve } from "../parts/sieve_form.js";
import { AllMetrics, Points } from "../parts/step_tables.js";
import { Strips } from "../parts/strips.js";
import { count, known, number, percent } from "../parts/text.js";

const HEADLINES = [
  ["reward", "reward", number],
  ["rewards/accuracy/mean", "accuracy", percent],
  ["frac_reward_zero_std", "groups of equal reward", percent],
  ["completions/mean_length", "tokens", number],
  ["completions/clipped_ratio", "cut off", percent],
  ["entropy", "entropy", number],
  ["kl", "KL", number],
  ["clip_ratio/region_mean", "clipped", percent],
  ["grad_norm", "gradient norm", number],
];

export default function Step({ params }) {
  const { run, step } = params;
  const found = useData("step", { run, step });
  const newest = !found.data || Number(step) >= (found.data.last ?? 0);
  const again = (events) => events.some((event) => isNews(event, found.data)) && found.reload();
  useFollow(newest && !found.loading ? run : undefined, again);
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run, href: link("run", { run }) },
  ];
  const aside = found.data && html`<${Ways} data=${found.data} params=${params} />`;
  return html`<${Page} title=${`Step ${step}`} crumbs=${crumbs} aside=${aside}>
    <${Waited} found=${found} what="Reading the step">
      ${(data) => html`<${Body} data=${data} params=${params} />`}
    </${Waited}>
  </${Page}>`;
}

// a step's responses are there a moment before its figures
function isNews({ kind, data }, there) {
  if (kind === "again" || !there) return true;
  if (kind !== "step") return false;
  return data.step > there.last || (data.step === there.step && !Object.keys(there.metrics ?? {}).length);
}

function Ways({ data, params }) {
  const [first, last] = [data.first ?? 0, data.last ?? 0];
  const links = beside("step", params, "step", params.step, first, last, ["previous step", "next step"], [",", "."]);
  return html`<${Near} label="other steps" links=${links} />`;
}

function Body({ data, params }) {
  const set = (changes) => go("step", { ...params, ...changes }, true);
  const brush = readBrush(params.brush);
  const groups = useMemo(() => measuredGroups(data.groups), [data]);
  const responses = useMemo(() => groups.flatMap((group) => group.responses), [groups]);
  const kept = sieved(groups, { kind: params.kind, part: params.part, is: params.is, brush });
  const metrics = data.metrics ?? {};
  const opens = (name) => (open) => set({ [name]: open ? "1" : null });
  useKeys({ j: () => stride(1), k: () => stride(-1) });
  return html`<div class="step-page">
    <p class="story">${story(groups, responses)}</p>
    <${Headlines} metrics=${metrics} />
    <div class="step-two">
      <section aria-labelledby="groups-title">
        <h2 id="groups-title">Groups</h2>
        <${Sieve} groups=${groups} parts=${data.parts ?? []} params=${params} set=${set} />
        <${DotLegend} />
        <p role="status" class="muted">${shownOf(kept, groups, brush)}</p>
        <${Strips} groups=${kept} all=${responses} params=${params} brush=${brush} set=${set} />
      </section>
      <section class="step-scatter" aria-labelledby="scatter-title">
        <h2 id="scatter-title">Length against reward</h2>
        <${Scatter} responses=${responses} brush=${brush} onBrush=${(next) => set({ brush: writeBrush(next) })} />
        <${Points} groups=${groups} brush=${brush} where=${params} open=${params.points} onOpen=${opens("points")} />
      </section>
    </div>
    <${AllMetrics} metrics=${metrics} open=${params.metrics} onOpen=${opens("metrics")} />
  </div>`;
}

function story(groups, responses) {
  const teaching = groups.filter((group) => group.gradient).length;
  const what = `${count(groups.length, "problem")}, ${count(responses.length, "response")}.`;
  if (teaching === groups.length) return `${what} Every group teaches something.`;
  const some = `${count(teaching, "group")} of ${groups.length} ${teaching === 1 ? "teaches" : "teach"} something`;
  return `${what} ${some}: in the others all advantages are 0.`;
}

function shownOf(kept, groups, brush) {
  const all = kept.length === groups.length;
  const some = all ? "all groups" : `${number(kept.length)} of ${count(groups.length, "group")}`;
  return brush ? `${some}, with responses in the rectangle` : some;
}

function Headlines({ metrics }) {
  const there = HEADLINES.filter(([key]) => known(metrics[key]));
  if (!there.length) return null;
  return html`<dl class="facts">
    ${there.map(([key, name, form]) => html`<div key=${key}><dt>${name}</dt><dd>${form(metrics[key])}</dd></div>`)}
  </dl>`;
}

// j and k go from group to group: the next link of the list gets the focus
function stride(by) {
  const links = [...document.querySelectorAll(".strip-link")];
  const at = links.indexOf(document.activeElement);
  const to = at < 0 ? links.at(by > 0 ? 0 : -1) : links[at + by];
  if (!to) return;
  to.focus();
  to.scrollIntoView({ block: "nearest" });
}
