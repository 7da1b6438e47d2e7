// Length against reward: a mark for each response of a step. A rectangle that is drawn over it, or whose four sides are
// written into the fields below, picks responses; the page shows their groups.

import { html, useEffect, useRef, useState } from "./html.js";
import { ends, ticks } from "./scale.js";
import { known, number } from "./text.js";

const HEIGHT = 240;
const EDGE = { left: 46, right: 14, top: 12, bottom: 34 };
const R = 3.2;

// brush: null or {lengths: [from, to], rewards: [from, to]}; a response has `length`, `reward`, `right`
export function Scatter({ responses, brush, onBrush }) {
  const frame = useRef(null);
  const [width, setWidth] = useState(640);
  const [drag, setDrag] = useState(null);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.round(entry.contentRect.width))));
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, []);

  const there = responses.filter((one) => known(one.reward) && known(one.length));
  const scale = scaleOf(there, width);
  const picked = drag ? sorted(drag) : brush;
  const at = (event) => {
    const box = frame.current.getBoundingClientRect();
    return [scale.length(event.clientX - box.left), scale.reward(event.clientY - box.top)];
  };
  const begin = (event) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({ from: at(event), to: at(event), x: event.clientX, y: event.clientY });
  };
  const drawOn = (event) => drag && setDrag({ ...drag, to: at(event) });
  const end = (event) => {
    if (!drag) return;
    const far = Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y) > 6;
    onBrush(far ? rounded(sorted({ ...drag, to: at(event) })) : null);
    setDrag(null);
  };

  return html`<div class="scatter">
    <div ref=${frame}>
      <svg
        width=${width} height=${HEIGHT} class="scatter-field" role="img"
        aria-label=${`length against reward of ${there.length} responses; the same figures stand in the table`}
        onPointerDown=${begin} onPointerMove=${drawOn} onPointerUp=${end} onPointerCancel=${() => setDrag(null)}
      >
        <${Axes} scale=${scale} width=${width} />
        ${["right", "wrong", "unknown"].map((kind) => {
          const some = there.filter((one) => kindOf(one) === kind);
          return html`<path key=${kind} class=${`point-${kind}`} d=${some.map((one) =>
            shape(kind, scale.x(one.length), scale.y(one.reward))).join("")} />`;
        })}
        ${picked && html`<rect class="brush" ...${scale.box(picked)} />`}
      </svg>
    </div>
    <${Sides} brush=${brush} scale=${scale} onBrush=${onBrush} count=${brush ? there.filter((one) =>
      within(one, brush)).length : null} />
  </div>`;
}

export function within(one, brush) {
  const [from, to] = brush.lengths;
  const [low, high] = brush.rewards;
  return one.length >= from && one.length <= to && one.reward >= low && one.reward <= high;
}

// "12,90,0.5,1.1" in the address, and back; what is not four numbers is no brush
export function readBrush(text) {
  const numbers = String(text ?? "").split(",").map(Number);
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) return null;
  return { lengths: numbers.slice(0, 2), rewards: numbers.slice(2) };
}

export function writeBrush(brush) {
  return brush && [...brush.lengths, ...brush.rewards].join(",");
}

function Sides({ brush, scale, onBrush, count }) {
  const all = brush ?? { lengths: scale.lengths, rewards: scale.rewards };
  const write = (side, i) => (event) => {
    const value = Number(event.target.value);
    if (event.target.value === "" || !Number.isFinite(value)) return;
    const next = { lengths: [...all.lengths], rewards: [...all.rewards] };
    next[side][i] = value;
    onBrush(next);
  };
  const field = (side, i, name, step) => html`<label>${name} <input type="number" step=${step} value=${all[side][i]}
    onChange=${write(side, i)} /></label>`;
  return html`<fieldset class="brush-sides">
    <legend>Drag over the chart, or give the sides</legend>
    ${field("lengths", 0, "tokens from", 1)} ${field("lengths", 1, "to", 1)}
    ${field("rewards", 0, "reward from", "any")} ${field("rewards", 1, "to", "any")}
    ${brush && html`<button type="button" onClick=${() => onBrush(null)}>all</button> <span
      role="status">${number(count)} picked</span>`}
  </fieldset>`;
}

function Axes({ scale, width }) {
  const [left, right, top, bottom] = [EDGE.left, width - EDGE.right, EDGE.top, HEIGHT - EDGE.bottom];
  return html`<g class="axes" aria-hidden="true">
    ${ticks(...scale.lengths, Math.max(2, Math.floor(width / 110))).map(
      (value) => html`<g key=${value}><line x1=${scale.x(value)} x2=${scale.x(value)} y1=${top} y2=${bottom} />
        <text x=${scale.x(value)} y=${bottom + 15} text-anchor="middle">${number(value)}</text></g>`,
    )}
    ${ticks(...scale.rewards, 5).map(
      (value) => html`<g key=${value}><line x1=${left} x2=${right} y1=${scale.y(value)} y2=${scale.y(value)} />
        <text x=${left - 6} y=${scale.y(value) + 4} text-anchor="end">${number(value)}</text></g>`,
    )}
    <text x=${right} y=${HEIGHT - 4} text-anchor="end">tokens</text>
    <text x="4" y="10">reward</text>
  </g>`;
}

function scaleOf(responses, width) {
  const lengths = ends(responses.map((one) => one.length), 5);
  const rewards = ends(responses.map((one) => one.reward), 0.1);
  const wide = width - EDGE.left - EDGE.right - 4 * R;
  const high = HEIGHT - EDGE.top - EDGE.bottom - 4 * R;
  const x = (length) => EDGE.left + 2 * R + ((length - lengths[0]) / (lengths[1] - lengths[0])) * wide;
  const y = (reward) => EDGE.top + 2 * R + (1 - (reward - rewards[0]) / (rewards[1] - rewards[0])) * high;
  return {
    lengths,
    rewards,
    x,
    y,
    length: (px) => lengths[0] + ((px - EDGE.left - 2 * R) / wide) * (lengths[1] - lengths[0]),
    reward: (px) => rewards[0] + (1 - (px - EDGE.top - 2 * R) / high) * (rewards[1] - rewards[0]),
    box: ({ lengths: [from, to], rewards: [lowest, highest] }) => ({
      x: x(from),
      width: Math.max(1, x(to) - x(from)),
      y: y(highest),
      height: Math.max(1, y(lowest) - y(highest)),
    }),
  };
}

function sorted({ from, to }) {
  return {
    lengths: [Math.min(from[0], to[0]), Math.max(from[0], to[0])],
    rewards: [Math.min(from[1], to[1]), Math.max(from[1], to[1])],
  };
}

function rounded({ lengths, rewards }) {
  return {
    lengths: [Math.ceil(lengths[0]), Math.floor(lengths[1])],
    rewards: rewards.map((value) => Number(value.toFixed(3))),
  };
}

function kindOf(one) {
  if (one.right === true) return "right";
  return one.right === false ? "wrong" : "unknown";
}

function shape(kind, x, y) {
  const [a, b] = [x.toFixed(1), y.toFixed(1)];
  if (kind === "wrong") return `M${a} ${b}m-3-3l6 6m0-6l-6 6`;
  return `M${a} ${b}m-${R} 0a${R} ${R} 0 1 0 ${2 * R} 0a${R} ${R} 0 1 0 ${-2 * R} 0`;
}
