// A group's responses as dots on an axis of reward. Right is a filled dot, wrong a cross, unknown a ring; a bracket
// at its right says that it was cut off at the limit of tokens; the colour says whether the update pulls towards it
// (advantage above 0) or away from it.

import { html, classes, useRef } from "./html.js";
import { known, number, signed, count } from "./text.js";

const EDGE = 3; // percent of the width that is left free at either end
const BINS = 48; // responses whose rewards fall into one of them stand on each other

// responses: [{response, reward, right, advantage}]. min, max: the axis, so that strips can be compared. mean: a tick.
// onPick(response): dots become buttons, those for which leads(response) holds; picked: the one that is chosen.
// labels: figures at the ends of the axis.
// height: in pixels, or "free": what the highest stack needs. named: each dot with the response's name above it.
// faint(one): whether a response is shown weakly, as it is not among those that are asked for.
export function Strip({ responses, onPick, picked, min, max, mean, height: tall = 34, labels = false, faint, named,
  leads = () => true }) {
  const values = responses.map((one) => one.reward).filter(known);
  const low = min ?? Math.min(0, ...values);
  const high = max ?? Math.max(1, ...values);
  const place = (value) => EDGE + (100 - 2 * EDGE) * (high > low ? (value - low) / (high - low) : 0.5);
  const average = mean ?? (values.length ? values.reduce((sum, one) => sum + one, 0) / values.length : null);
  const { dots, pitch, height } = stacked(responses, low, high, tall);
  const buttons = onPick ? dots.filter(({ one }) => leads(one.response)) : [];
  const [at, setAt] = roving(buttons, picked);
  const foot = height + (labels ? 13 : 1);
  const label = (value, text) => html`<text class="strip-label" x=${`${place(value)}%`} y=${foot - 1}
    text-anchor="middle">${text}</text>`;
  return html`<svg class="strip" width="100%" height=${foot} role=${buttons.length ? "group" : "img"}
    aria-label=${summary(responses, average)}>
    <line class="strip-axis" x1="0" x2="100%" y1=${height - 0.5} y2=${height - 0.5} />
    ${known(average) && html`<line class="strip-mean" x1=${`${place(average)}%`} x2=${`${place(average)}%`} y1="2"
      y2=${height} />`}
    ${dots.map((spot) => {
      const { one, y } = spot;
      const chosen = picked === one.response;
      const index = buttons.indexOf(spot);
      const dot = html`<${Dot} one=${one} chosen=${chosen} />`;
      const target = index >= 0 && html`<g role="button" class="strip-button" tabindex=${index === at.current ? 0 : -1}
        aria-label=${words(one)} aria-pressed=${chosen} onClick=${() => onPick(one.response)}
        onKeyDown=${(event) => pressed(event, index, buttons, setAt, onPick)}>
        <circle class="strip-target" r=${Math.min(9, Math.max(4, pitch / 2))} />${dot}</g>`;
      return html`<svg key=${one.response} x=${`${place(one.reward)}%`} y=${y} role="presentation"
        class=${classes("strip-place", faint?.(one) && "dot-faint")}>
        ${target || dot}${one.finish === "length" && html`<path class="dot-cut" d="M5-4.5H7.5V4.5H5" />`}
        ${named && html`<text class="strip-label" y="-8" text-anchor="middle">${one.response}</text>`}
      </svg>`;
    })}
    ${labels && [
      label(low, number(low, 2)),
      label(high, number(high, 2)),
      known(average) && apart(place(average)) ? label(average, number(average, 3)) : null,
    ]}
  </svg>`;
}

// One response's mark, at 0, 0 of what it stands in
function Dot({ one, chosen = false }) {
  const pull = !known(one.advantage) || one.advantage === 0 ? "flat" : one.advantage > 0 ? "up" : "down";
  const kind = classes("dot", `dot-${pull}`, chosen && "dot-chosen");
  const title = known(one.response) ? html`<title>${words(one)}</title>` : null; // none of a legend's sample
  if (one.right === true) return html`<circle class=${kind} r="4">${title}</circle>`;
  if (one.right !== false) return html`<circle class=${classes(kind, "dot-ring")} r="3.4">${title}</circle>`;
  return html`<path class=${classes(kind, "dot-cross")} d="M-3.4-3.4L3.4 3.4M3.4-3.4L-3.4 3.4">${title}</path>`;
}

// What the shapes and colours mean
export function DotLegend() {
  const sign = (width, inner) =>
    html`<svg class="legend-dot" width=${width} height="12" aria-hidden="true">${inner}</svg>`;
  const dot = (right, advantage = 0) =>
    sign(12, html`<svg x="6" y="6" class="strip-place"><${Dot} one=${{ right, advantage }} /></svg>`);
  return html`<p class="legend">
    <span>${dot(true)} right</span><span>${dot(false)} wrong</span><span>${dot(null)} not known</span>
    <span>${sign(6, html`<path class="dot-cut" d="M1.5 1.5H4V10.5H1.5" />`)} cut off</span>
    <span>${dot(true, 1)} above the group's mean</span><span>${dot(true, -1)} below it</span>
    <span>${sign(6, html`<line class="strip-mean" x1="3" x2="3" y1="0" y2="12" />`)} the mean</span>
  </p>`;
}

export function words(one) {
  const right = one.right === true ? "right" : one.right === false ? "wrong" : "not known whether right";
  const parts = [`response ${one.response}`, right];
  if (known(one.reward)) parts.push(`reward ${number(one.reward)}`);
  if (known(one.advantage)) parts.push(`advantage ${signed(one.advantage)}`);
  if (one.finish === "length") parts.push("cut off");
  return parts.join(", ");
}

function summary(responses, average) {
  const right = responses.filter((one) => one.right === true).length;
  const unknown = responses.filter((one) => one.right == null).length;
  const told = unknown === responses.length ? "" : `: ${right} right, ${responses.length - right - unknown} wrong`;
  return `${count(responses.length, "response")}${told}; mean reward ${number(average)}`;
}

// the dots from the axis up, those of nearly the same reward on each other; lower in the stack is better
function stacked(responses, low, high, given) {
  const bins = new Map();
  const order = responses
    .filter((one) => known(one.reward))
    .sort((a, b) => a.reward - b.reward || a.response - b.response);
  for (const one of order) {
    const bin = high > low ? Math.round((BINS * (one.reward - low)) / (high - low)) : 0;
    bins.set(bin, [...(bins.get(bin) ?? []), one]);
  }
  const most = Math.max(1, ...[...bins.values()].map((bin) => bin.length));
  const height = given === "free" ? Math.min(130, Math.max(34, 14 + 9 * (most - 1))) : given;
  const pitch = most > 1 ? Math.min(9, (height - 12) / (most - 1)) : 18;
  const placed = (bin) => bin.map((one, level) => ({ one, y: height - 7 - level * Math.min(9, pitch) }));
  return { dots: [...bins.values()].flatMap(placed), pitch, height };
}

// one dot is in the order of Tab; arrows go to its neighbours
function roving(dots, picked) {
  const at = useRef(0);
  const chosen = dots.findIndex(({ one }) => one.response === picked);
  if (chosen >= 0) at.current = chosen;
  return [at, (index) => (at.current = index)];
}

function pressed(event, index, dots, setAt, onPick) {
  const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (event.key === "Enter" || event.key === " ") onPick(dots[index].one.response);
  else if (way) {
    const next = Math.min(Math.max(index + way, 0), dots.length - 1);
    setAt(next);
    event.currentTarget.closest(".strip").querySelectorAll(".strip-button")[next].focus();
  } else return;
  event.preventDefault();
}

// the mean's figure is not written over those at the ends
function apart(percent) {
  return percent > EDGE + 10 && percent < 90 - EDGE;
}
