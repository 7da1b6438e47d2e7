// The five steps of GRPO, written out for one real group: a column for each response, best first, a row for each step.

import { classes, html, useEffect, useRef } from "./html.js";
import { equation, measured, repeated, sumOf } from "./asked.js";
import { Bar, rangeOf } from "./bars.js";
import { Index } from "./five_index.js";
import { Moved } from "./five_moved.js";
import { Parts, Reason } from "./five_reward.js";
import { show, useSight } from "./five_sight.js";
import { Thought } from "./five_thought.js";
import { link } from "./route.js";
import { arrow, moved } from "./scale.js";
import { count, known, number, shown, Sign } from "./text.js";

const LOW = 35; // percent of the chart's height: below that the average's name stands above its line

export function FiveSteps({ data, at, whole, onAt }) {
  const responses = data.responses;
  const ranges = {
    reward: rangeOf(responses.map((one) => one.reward)),
    advantage: rangeOf(responses.map((one) => one.advantage)),
    change: rangeOf(responses.map((one) => one.change)),
  };
  const same = repeated(responses);
  const columns = useRef(null);
  const sight = useSight(columns, responses.map((one) => one.response).join(" "));
  const frame = {
    ref: columns,
    class: classes("five", whole && "five-whole"),
    style: { "--columns": responses.length },
    role: "group",
    "aria-label": "the responses, best first",
  };
  return html`<div class=${classes("five-frame", sight.left && "five-left", sight.right && "five-right")}>
    <${Index} responses=${responses} out=${sight.out} at=${at} onAt=${onAt} />
    <div class="five-window"><div ...${frame}>
      <${Labels} data=${data} range=${ranges.reward} />
      <${Average} data=${data} />
      ${responses.map((one, place) => {
        const chosen = String(one.response) === at;
        const column = { data, one, place, ranges, chosen, onAt, twin: same[one.response] };
        return html`<${Column} key=${one.response} ...${column} />`;
      })}
    </div></div>
  </div>`;
}

// The names of the rows, for who reads them from the left; a phone has them in each card
function Labels({ data, range }) {
  const mean = known(data.mean) ? (100 * (data.mean - range.low)) / (range.high - range.low) : null;
  const rule = [data.arithmetic?.formula, data.arithmetic?.why].filter(Boolean).join(" ");
  const update = measured(data.responses)
    ? `how far it moved the log-probability of each, in nats a token; measured for ${ofGroups(data)}`
    : "makes what is above likelier, what is below less likely; not measured for this group";
  return html`<div class="five-labels">
    <div class="five-head"></div>
    <div>
      <${Label} at="1" name="Several responses" />
      <p>to the same problem, by the policy before it learned from them</p>
    </div>
    <div>
      <div class="five-scale" style=${{ "--level": `${mean ?? 0}%` }}>
        <${Label} at="2" name="A reward for each" />
        ${mean !== null
        && html`<span class=${classes("five-mean", mean < LOW && "five-mean-low")}>average ${number(data.mean)}</span>`}
      </div>
      <p>its parts, each times its weight</p>
    </div>
    <div><${Label} at="3" name="The average" /></div>
    <div><${Label} at="4" name="Each against the average" /><p>${shown(rule)}</p></div>
    <div><${Label} at="5" name="The update" /><p>${update}</p></div>
  </div>`;
}

// "this group alone, of the step's 6"
function ofGroups({ traced, groups }) {
  const others = traced.groups.length - 1;
  if (others + 1 >= groups) return groups === 1 ? "this group" : "all groups of the step";
  return `this group ${others ? `and ${count(others, "other")}` : "alone"}, of the step's ${number(groups)}`;
}

function Label({ at, name }) {
  return html`<h2 class="five-label"><span class="five-number">${at}</span> ${name}</h2>`;
}

function Average({ data }) {
  return html`<div class="five-average">
    <div class="five-average-inner">
      <span class="five-here"><${Label} at="3" name="The average" /></span><${Sum} data=${data} />
    </div>
  </div>`;
}

function Sum({ data }) {
  const mean = known(data.mean) ? number(data.mean) : "not known";
  const [written, notes] = [sumOf(data), data.arithmetic?.notes ?? []];
  return html`<p class="sum">${written ? equation(shown(written)) : mean}</p>
    ${notes.map((note) => html`<p key=${note} class="sum">${equation(shown(note))}</p>`)}`;
}

function Column({ data, one, place, ranges, chosen, onAt, twin }) {
  const frame = useRef(null);
  useEffect(() => {
    if (chosen) show(frame.current);
  }, [chosen]);
  const href = link("response", { run: data.run, step: data.step, group: data.group, response: one.response });
  const written = data.arithmetic?.each?.[place];
  const reward = one.written ? equation(one.written.reward) : number(one.reward);
  const attributes = {
    class: classes("five-response", chosen && "five-chosen"),
    style: { "--place": place },
    "aria-labelledby": `response-${one.response}`,
    "data-response": one.response,
    onClick: () => onAt(one.response),
  };
  return html`<article ref=${frame} ...${attributes}>
    <header class="five-head">
      <h3 id=${`response-${one.response}`}>
        <a href=${href}>response ${one.response}</a> <${Sign} right=${one.right} word=${true} />
      </h3>
      <p class="muted">${aboutIt(data, one, place, twin)}</p>
    </header>
    <div class="five-text"><${Here} at="1" name="response" /><${Thought} one=${one} href=${href} /></div>
    <div class="five-reward">
      <${Here} at="2" name="reward" />
      <${Bar} kind="reward" value=${one.reward} range=${ranges.reward} line=${data.mean}>
        <b>${reward}</b>
      </${Bar}>
      <p class="hidden">reward ${reward}</p>
      <${Parts} one=${one} />
      <${Reason} one=${one} expected=${data.expected} />
    </div>
    <div class="five-gap">
      <${Here} at="3" name="the average" />
      ${place === 0 ? html`<${Sum} data=${data} />` : html`<p class="sum">${number(data.mean)}</p>`}
    </div>
    <div class="five-advantage">
      <${Here} at="4" name="against the average" />
      <${Bar} kind="advantage" value=${one.advantage} range=${ranges.advantage}>
        <b>${arrow(one.advantage)} ${moved(one.advantage)}</b>
      </${Bar}>
      <p class="sum">${written ? equation(shown(written)) : `advantage ${moved(one.advantage)}`}</p>
      ${differs(one) && html`<p class="muted">its tokens learned from ${moved(one.learned)} on average</p>`}
    </div>
    <div class="five-change">
      <${Here} at="5" name="the update" />
      <${Moved} one=${one} range=${ranges.change} seen=${measured(data.responses)} />
    </div>
  </article>`;
}

function Here({ at, name }) {
  return html`<h4 class="five-here"><span class="five-number">${at}</span> ${name}</h4>`;
}

// "2 of 8 · 96 tokens · as response 0"
function aboutIt(data, one, place, twin) {
  const told = [];
  if (data.gradient) told.push(placeName(place, data.responses.length));
  told.push(`${count(one.length, "token")}${one.finish === "length" ? ", cut off" : ""}${ages(one.versions)}`);
  if (twin !== undefined) told.push(`as response ${twin}`);
  return told.join(" · ");
}

function placeName(place, size) {
  if (place === 0) return "the best";
  return place === size - 1 ? "the last" : `${place + 1} of ${size}`;
}

function ages(versions) {
  if (!versions || versions.length < 2) return "";
  return `, weights ${Math.min(...versions)} to ${Math.max(...versions)}`;
}

// whether its tokens learned from another advantage than the response was given (KL to go, whitening)
function differs(one) {
  if (!known(one.learned) || !known(one.advantage)) return false;
  return Math.abs(one.learned - one.advantage) > 1e-4 * Math.max(1, Math.abs(one.advantage));
}
