// A run at a glance: its status, its reward in one line, its accuracy before and after.

import { html } from "./html.js";
import { known, percent, number } from "./text.js";

const STATUS = { running: "●", stalled: "◐", crashed: "✗", stopped: "■", finished: "✓", waiting: "○", unreadable: "?" };

// The status as a sign and a word
export function Status({ status, why }) {
  return html`<span class=${`status status-${status}`} title=${why ?? null}>
    <span class="status-sign" aria-hidden="true">${STATUS[status] ?? "·"}</span>${status}
  </span>`;
}

// A line of values without axes: how a figure went
export function Spark({ values, width = 120, height = 24, label = "reward" }) {
  const there = (values ?? []).map((value, at) => [at, value]).filter(([, value]) => known(value));
  if (there.length < 2) return html`<span class="muted">–</span>`;
  const only = there.map(([, value]) => value);
  const [low, high] = [Math.min(...only), Math.max(...only)];
  const x = (at) => 2 + ((width - 8) * at) / (values.length - 1);
  const y = (value) => (high > low ? height - 3 - ((height - 6) * (value - low)) / (high - low) : height / 2);
  const path = there.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const [at, value] = there.at(-1);
  const words = `${label} from ${number(only[0])} to ${number(value)}, lowest ${number(low)}, highest ${number(high)}`;
  return html`<svg class="spark" width=${width} height=${height} role="img" aria-label=${words}>
    <polyline points=${path} /><circle cx=${x(at)} cy=${y(value)} r="2" />
  </svg>`;
}

// before → after, in percent, with the interval of the later one
export function Change({ before, after, low, high }) {
  if (!known(after)) return html`<span class="muted">–</span>`;
  const two = known(before) && before !== after;
  return html`<span class="change">
    ${two ? html`<span class="before">${percent(before)} → </span>` : null}<span>${percent(after)}</span>
    ${known(low) && known(high) ? html` <${Interval} low=${low} high=${high} />` : null}
  </span>`;
}

// of problems that all gave the same, resampling tells none
export function Interval({ low, high }) {
  if (!known(low) || !known(high)) return null;
  if (low === high) return html`<span class="interval" title="all problems gave the same">[–]</span>`;
  return html`<span class="interval">[${percent(low, 0)}, ${percent(high, 0)}]</span>`;
}

// how much of the steps is done, in words and as a thin bar
export function Progress({ done, steps }) {
  if (!steps) return html`<span class="muted">–</span>`;
  if (done >= steps) return html`<span class="progress">${number(done)}</span>`;
  return html`<span class="progress">${number(done)}<span class="muted"> / ${number(steps)}</span>
    <svg class="progress-bar" width="100%" height="2" aria-hidden="true">
      <rect width="100%" height="2" /><rect class="progress-done" width=${`${(100 * done) / steps}%`} height="2" />
    </svg>
  </span>`;
}

// several figures in a line: [[name, value, unit]]; those without a value are left out
export function Figures({ figures }) {
  const there = figures.filter(([, value]) => value !== null && value !== undefined);
  if (!there.length) return null;
  return html`<dl class="figures">${there.map(
    ([name, value, unit]) => html`<div key=${name}>
      <dt>${name}</dt><dd>${value}${unit && html` <small>${unit}</small>`}</dd>
    </div>`,
  )}</dl>`;
}
