// The five steps of GRPO, written out for one real group: a column for each response, best first, a row for each step.

import { classes, html, useEffect, useRef } from "./html.js";
import { equation, inWords, measured, obeyed, repeated, sumOf, timesAsLikely, way } from "./asked.js";
import { Bar, evenRange, rewardRange } from "./bars.js";
import { link } from "./route.js";
import { arrow, moved } from "./scale.js";
import { count, fixed, known, number, shown, Sign, Text } from "./text.js";

const LONG = 4000; // characters of a chain in its column; the response's own page has all of it
const SCROLLS = { tabindex: "0", role: "group", "aria-label": "reasoning" }; // what scrolls can be reached by keyboard

export function FiveSteps({ data, at, whole, onAt }) {
  const responses = data.responses;
  const ranges = {
    reward: rewardRange(responses.map((one) => one.reward)),
    advantage: evenRange(responses.map((one) => one.advantage)),
    change: evenRange(responses.map((one) => one.change)),
  };
  const same = repeated(responses);
  return html`<div class="five-frame">
    <div class=${classes("five", whole && "five-whole")} style=${{ "--columns": responses.length }} role="group" aria-label="the responses, best first">
      <${Labels} data=${data} range=${ranges.reward} />
      <${Average} data=${data} />
      ${responses.map(
        (one, place) => html`<${Column}
          key=${one.response} data=${data} one=${one} place=${place} ranges=${ranges} chosen=${String(one.response) === at} onAt=${onAt} twin=${same[one.response]}
        />`,
      )}
    </div>
  </div>`;
}

// The names of the rows, for who reads them from the left; a phone has them in each card
function Labels({ data, range }) {
  const mean = known(data.mean) ? (100 * (data.mean - range.low)) / (range.high - range.low) : null;
  return html`<div class="five-labels">
    <div class="five-head"></div>
    <div><${Label} at="1" name="Several responses" /><p>to the same problem, by the policy before it learned from them</p></div>
    <div>
      <div class="five-scale" style=${{ "--line": `${mean ?? 0}%` }}>
        <${Label} at="2" name="A reward for each" />
        ${mean !== null && html`<span class="five-mean">average ${number(data.mean)}</span>`}
      </div>
      <p>its parts, each times its weight</p>
    </div>
    <div><${Label} at="3" name="The average" /></div>
    <div><${Label} at="4" name="Each against the average" /><p>${shown([data.arithmetic?.formula, data.arithmetic?.why].filter(Boolean).join(" "))}</p></div>
    <div><${Label} at="5" name="The update" /><p>${measured(data.responses) ? "how far it moved the log-probability of each, in nats a token" : "makes what is above likelier, what is below less likely"}</p></div>
  </div>`;
}

function Label({ at, name }) {
  return html`<h2 class="five-label"><span class="five-number">${at}</span> ${name}</h2>`;
}

function Average({ data }) {
  const written = sumOf(data);
  return html`<div class="five-average">
    <div class="five-average-inner">
      <span class="five-here"><${Label} at="3" name="The average" /></span>
      <p class="sum">${written ? equation(shown(written)) : known(data.mean) ? number(data.mean) : "not known"}</p>
      ${(data.arithmetic?.notes ?? []).map((note) => html`<p key=${note} class="sum sum-note">${equation(shown(note))}</p>`)}
    </div>
  </div>`;
}

function Column({ data, one, place, ranges, chosen, onAt, twin }) {
  const frame = useRef(null);
  useEffect(() => {
    if (chosen) show(frame.current);
  }, [chosen]);
  const where = { run: data.run, step: data.step, group: data.group, response: one.response };
  const written = data.arithmetic?.each?.[place];
  return html`<article
    ref=${frame} class=${classes("five-response", chosen && "five-chosen")} style=${{ "--place": place }}
    aria-labelledby=${`response-${one.response}`} data-response=${one.response} onClick=${() => onAt(one.response)}
  >
    <header class="five-head">
      <h3 id=${`response-${one.response}`}>
        <a href=${link("response", where)}>response ${one.response}</a> <${Sign} right=${one.right} word=${true} />
      </h3>
      <p class="muted">${data.gradient ? `${placeName(place, data.responses.length)} · ` : ""}${count(one.length, "token")}${one.finish === "length" ? ", cut off" : ""}${ages(one.versions)}${twin === undefined ? "" : ` · the text of response ${twin}`}</p>
    </header>
    <div class="five-text"><${Here} at="1" name="response" /><${Thought} one=${one} href=${link("response", where)} /></div>
    <div class="five-reward">
      <${Here} at="2" name="reward" />
      <${Bar} kind="reward" value=${one.reward} range=${ranges.reward} line=${data.mean}><b>${number(one.reward)}</b></${Bar}>
      <p class="hidden">reward ${number(one.reward)}</p>
      <${Parts} one=${one} weights=${data.parts} />
      <${Reason} one=${one} expected=${data.expected} />
    </div>
    <div class="five-gap"></div>
    <div class="five-advantage">
      <${Here} at="4" name="against the average" />
      <${Bar} kind="advantage" value=${one.advantage} range=${ranges.advantage}><b>${arrow(one.advantage)} ${moved(one.advantage)}</b></${Bar}>
      <p class="sum">${written ? equation(shown(written)) : `advantage ${moved(one.advantage)}`}</p>
      ${differs(one) && html`<p class="muted">its tokens learned from ${moved(one.learned)} on average</p>`}
    </div>
    <div class="five-change">
      <${Here} at="5" name="the update" />
      <${Moved} one=${one} range=${ranges.change} seen=${measured(data.responses)} />
    </div>
  </article>`;
}

// Into view: among the columns only sideways, between those that stay at the edges; on a phone, where all is one column, down
function show(column) {
  const frame = column.parentElement;
  if (getComputedStyle(frame).display === "flex") return column.scrollIntoView({ block: "start" });
  const stays = (one) => one !== column && getComputedStyle(one).position === "sticky";
  const [labels, , first] = frame.children;
  const [box, left, right] = [column.getBoundingClientRect(), stays(first) ? first : labels, frame.lastElementChild];
  const [from, to] = [left.getBoundingClientRect().right, stays(right) ? right.getBoundingClientRect().left : frame.getBoundingClientRect().right];
  if (column === first) frame.scrollLeft = 0;
  else if (column === right) frame.scrollLeft = frame.scrollWidth;
  else if (box.left < from) frame.scrollLeft -= from - box.left;
  else if (box.right > to) frame.scrollLeft += box.right - to;
}

function Here({ at, name }) {
  return html`<h4 class="five-here"><span class="five-number">${at}</span> ${name}</h4>`;
}

function Thought({ one, href }) {
  if (one.turns && one.turns.length) return html`<${Turns} turns=${one.turns} href=${href} />`;
  if (one.reasoning === null && one.answer === null) {
    return html`<div class="thought-reasoning" ...${SCROLLS}><${Cut} text=${one.text} href=${href} /></div><p class="thought-answer muted">no answer: nothing marks one</p>`;
  }
  return html`<div class="thought-reasoning" ...${SCROLLS}>
      ${one.reasoning && one.reasoning.trim() ? html`<${Cut} text=${one.reasoning.replace(/^\n+|\s+$/g, "")} href=${href} />` : html`<span class="muted">no reasoning</span>`}
    </div>
    <p class="thought-answer"><span class="muted">answer</span>
      ${one.answer === null ? html`<em>none: the chain was never closed</em>` : html`<b><${Cut} text=${one.answer} href=${href} /></b>`}</p>
    ${one.formed === false && one.answer !== null && html`<p class="thought-form">✗ not in the form that is asked for</p>`}`;
}

function Turns({ turns, href }) {
  return html`<ol class="thought-reasoning turns" tabindex="0" aria-label="turns">
    ${turns.map(({ who, text }, i) => html`<li key=${i} class=${who === "policy" ? "turn-policy" : "turn-reply"}>
      <span class="muted">${who === "policy" ? "policy" : "reply"}</span> <${Cut} text=${text} href=${href} /></li>`)}
  </ol>`;
}

function Cut({ text, href }) {
  const all = String(text);
  if (all.length <= LONG) return html`<${Text} text=${all} long=${LONG} />`;
  return html`<${Text} text=${all.slice(0, LONG)} long=${LONG} /> <a href=${href}>… ${count(all.length - LONG, "more character")}</a>`;
}

// part × weight = share, for each part of the reward
function Parts({ one, weights }) {
  const names = Object.keys(one.parts ?? {});
  if (!names.length) return null;
  return html`<table class="parts">
    <caption class="hidden">the parts of the reward of response ${one.response}</caption>
    <thead class="hidden"><tr><th scope="col">part</th><th scope="col">value × weight</th><th scope="col">counts</th></tr></thead>
    <tbody>${names.map((name) => {
      const [value, weight] = [one.parts[name], weights?.[name]];
      if (!known(value)) return html`<tr key=${name}><th scope="row">${shown(name)}</th><td colspan="2" class="muted">does not count</td></tr>`;
      return html`<tr key=${name}><th scope="row">${shown(name)}</th>
        <td class="muted">${known(weight) ? `${number(value)} × ${number(weight)}` : ""}</td>
        <td>${number(known(weight) ? value * weight : value)}</td></tr>`;
    })}</tbody>
  </table>`;
}

function Reason({ one, expected }) {
  const read = one.extracted;
  return html`<dl class="reason">
    ${one.note && html`<div><dt>why</dt><dd>${shown(one.note)}</dd></div>`}
    <div><dt>read as</dt><dd>${read === null || read === undefined ? html`<em>no answer was found</em>` : html`<code>${shown(read)}</code>`}</dd></div>
    ${expected !== null && expected !== undefined && one.right !== true && html`<div><dt>expected</dt><dd><code>${shown(expected)}</code></dd></div>`}
  </dl>`;
}

function Moved({ one, range, seen }) {
  if (!known(one.change)) return html`<p class="muted">${seen ? "not measured" : one.advantage ? `asked ${way(one.advantage) > 0 ? "up ▲" : "down ▼"}` : "nothing asked"}</p>`;
  const did = obeyed(one);
  return html`<${Bar} kind="change" value=${one.change} range=${range}><b>${arrow(one.change)} ${moved(one.change)}</b></${Bar}>
    <p class=${classes("did", did === true && "did-so", did === false && "did-not")}>
      ${did === true ? "✓ " : did === false ? "✗ " : ""}${inWords(one)}</p>
    <p class="muted">
      ${known(one.logprob) && known(one.logprob_after) ? html`${fixed(one.logprob, 4)} → ${fixed(one.logprob_after, 4)}<br />` : null}
      ${timesAsLikely(one)}${known(one.kl) ? html`<br />KL to the reference ${number(one.kl)}` : null}
    </p>`;
}

// whether what its tokens learned from is another advantage than the response was given (KL to go, whitening)
function differs(one) {
  return known(one.learned) && known(one.advantage) && Math.abs(one.learned - one.advantage) > 1e-4 * Math.max(1, Math.abs(one.advantage));
}

function placeName(place, size) {
  if (place === 0) return "the best";
  return place === size - 1 ? "the last" : `${place + 1} of ${size}`;
}

function ages(versions) {
  if (!versions || versions.length < 2) return "";
  return `, weights ${Math.min(...versions)} to ${Math.max(...versions)}`;
}
