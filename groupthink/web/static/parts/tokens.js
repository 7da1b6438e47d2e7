// The tokens of one response, coloured by what is known of each (heat.js). Thirty thousand of them stay usable: they
// are drawn in blocks, a few at a time, and a browser lays out only the blocks that are in view.

import { Component, classes, html, useEffect, useMemo, useRef, useState } from "./html.js";
import { heatClass, hasValues, isReply, legend, levelAt, MODES, shownValue } from "./heat.js";
import { count, number, shown } from "./text.js";

const WANTED = 250; // tokens of a block, which ends at the next line end
const MOST = 1500; // tokens of a block where no line ends
const AT_ONCE = 6; // blocks that are drawn between two frames
const BARS = 300; // of the ribbon
const NOTABLE = 3; // the level from which on a token is jumped to

const VALUES = [
  ["logprob", "log-probability"],
  ["ratio", "importance ratio"],
  ["kl", "KL to the reference"],
  ["entropy", "entropy"],
  ["advantage", "advantage"],
  ["change", "change by the update"],
  ["clipped", "clipped"],
  ["version", "version of the weights"],
];

export function Tokens({ tokens, mode, at, onAt }) {
  const length = tokens.id.length;
  const cuts = useMemo(() => blocksOf(tokens), [tokens]);
  const [drawn, setDrawn] = useState(AT_ONCE);
  const [over, setOver] = useState(null);
  const field = useRef(null);
  const levels = useMemo(() => (mode ? tokens.id.map((_, i) => levelAt(mode, tokens, i)) : null), [tokens, mode]);

  useEffect(() => {
    if (drawn >= cuts.length) return undefined;
    const waiting = requestAnimationFrame(() => setDrawn(drawn + AT_ONCE));
    return () => cancelAnimationFrame(waiting);
  }, [drawn, cuts]);
  useEffect(() => {
    if (at === null) return;
    field.current?.querySelector(`[data-i="${at}"]`)?.scrollIntoView({ block: "nearest" });
  }, [at, drawn >= cuts.length]);

  const move = (to) => onAt(Math.min(length - 1, Math.max(0, to)));
  const jump = (by) => {
    for (let i = (at ?? (by > 0 ? -1 : length)) + by; i >= 0 && i < length; i += by) {
      if (levels && Math.abs(levels[i] ?? 0) >= NOTABLE) return move(i);
    }
    return undefined;
  };
  const press = (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, PageDown: 100, PageUp: -100 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) move(at === null ? 0 : at + steps[event.key]);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(length - 1);
    else if (event.key === "n") jump(1);
    else if (event.key === "p") jump(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const tokenOf = (event) => event.target.closest?.("[data-i]")?.dataset.i;

  return html`<div class=${classes("tokens", mode && (mode.both ? "heat-two" : "heat-one"))}>
    <${Readout} tokens=${tokens} at=${over ?? at} live=${over === null} />
    ${mode && html`<${Ribbon} levels=${levels} onAt=${move} at=${at} />`}
    <p class="token-moves">
      <button type="button" onClick=${() => move((at ?? 1) - 1)}>‹ token</button>
      <button type="button" onClick=${() => move((at ?? -1) + 1)}>token ›</button>
      ${mode && html`<button type="button" onClick=${() => jump(-1)}>« marked strongly</button>
        <button type="button" onClick=${() => jump(1)}>marked strongly »</button>`}
      <span class="muted">in the text: arrow keys, Home, End, <kbd>n</kbd> and <kbd>p</kbd></span>
    </p>
    <div
      class="token-field" ref=${field} tabindex="0" role="group" aria-label="tokens of the response"
      onKeyDown=${press}
      onClick=${(event) => tokenOf(event) !== undefined && onAt(Number(tokenOf(event)))}
      onMouseOver=${(event) => setOver(tokenOf(event) === undefined ? null : Number(tokenOf(event)))}
      onMouseLeave=${() => setOver(null)}
    >
      ${cuts.slice(0, drawn).map(
        ([start, end, whole]) => html`<${Block}
          key=${start} tokens=${tokens} levels=${levels} start=${start} end=${end} whole=${whole}
          chosen=${at !== null && at >= start && at < end ? at : null}
        />`,
      )}
    </div>
    ${drawn < cuts.length && html`<p class="muted">${count(length - cuts[drawn][0], "more token")} …</p>`}
  </div>`;
}

// What each level of the chosen colour stands for, and how many tokens have it.
export function HeatLegend({ tokens, mode }) {
  const entries = useMemo(() => (mode ? legend(mode, tokens) : []), [tokens, mode]);
  if (!mode) return null;
  return html`<div class=${classes("heat-legend", mode.both ? "heat-two" : "heat-one")}>
    <p>${mode.about}</p>
    <ul>
      ${entries.map(
        (entry) => html`<li key=${entry.level}>
          <span class=${classes("swatch", heatClass(entry.level))} aria-hidden="true">ab</span> ${entry.name}
          <span class="muted">${number(entry.count)}</span>
        </li>`,
      )}
    </ul>
  </div>`;
}

export function modesOf(tokens) {
  return MODES.map((mode) => ({ mode, there: hasValues(tokens, mode) }));
}

function tokenText(tokens, i) {
  const text = tokens.text && tokens.text[i];
  return text === null || text === undefined ? `[${tokens.id[i]}]` : text;
}

// The same with its blanks and line ends as signs
export function visible(tokens, i) {
  return shown(tokenText(tokens, i)).replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/ /g, "␣");
}

function Readout({ tokens, at, live }) {
  if (at === null || at >= tokens.id.length) {
    return html`<p class="readout muted">
      Point at a token, or click into the text and move with the arrow keys: its figures stand here.
    </p>`;
  }
  const strange = isReply(tokens, at);
  return html`<dl class="readout" aria-live=${live ? "polite" : "off"}>
    <div>
      <dt>token ${number(at)} of ${number(tokens.id.length)}</dt>
      <dd><code>${visible(tokens, at)}</code> <span class="muted">id ${tokens.id[at]}</span></dd>
    </div>
    ${strange && html`<div><dt>drawn by</dt><dd>not the policy: a reply of the task</dd></div>`}
    ${VALUES.map(([column, name]) => {
      const value = (tokens[column] && tokens[column][at]) ?? null;
      if (value === null) return null;
      const share = column === "logprob" && html` <span class="muted">${number(100 * Math.exp(value), 3)}%</span>`;
      return html`<div key=${column}><dt>${name}</dt><dd>${shownValue(column, value)}${share}</dd></div>`;
    })}
  </dl>`;
}

// All of the response in one line: bars as high as the strongest level there. A click goes there.
function Ribbon({ levels, at, onAt }) {
  const bars = useMemo(() => {
    const wide = Math.max(1, Math.ceil(levels.length / BARS));
    const found = [];
    for (let start = 0; start < levels.length; start += wide) {
      let most = 0;
      for (const one of levels.slice(start, start + wide)) if (Math.abs(one ?? 0) > Math.abs(most)) most = one;
      found.push(most);
    }
    return found;
  }, [levels]);
  const go = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    onAt(Math.floor(((event.clientX - box.left) / box.width) * levels.length));
  };
  const here = at === null ? null : (at / levels.length) * bars.length;
  const frame = { viewBox: `0 0 ${bars.length} 12`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return html`<svg class="ribbon" ...${frame} onClick=${go}>
    ${bars.map((one, i) => {
      const high = 2 * Math.abs(one);
      return high > 0 && html`<rect key=${i} class=${heatClass(one)} x=${i} y=${12 - high} width="1" height=${high} />`;
    })}
    ${here !== null && html`<line class="ribbon-at" x1=${here} x2=${here} y1="0" y2="12" />`}
  </svg>`;
}

class Block extends Component {
  shouldComponentUpdate(next) {
    const now = this.props;
    return now.tokens !== next.tokens || now.levels !== next.levels || now.chosen !== next.chosen;
  }

  render({ tokens, levels, start, end, whole, chosen }) {
    const spans = [];
    for (let i = start; i < end; i += 1) {
      const strange = isReply(tokens, i);
      const look = classes("token", levels && heatClass(levels[i]), strange && "token-reply", i === chosen
        && "token-chosen");
      spans.push(html`<span class=${look} data-i=${i}>${lines(tokenText(tokens, i))}</span>`);
    }
    return html`<span class=${classes("token-block", !whole && "token-broken")}>${spans}</span>`;
  }
}

function lines(text) {
  const safe = shown(text);
  if (!safe.includes("\n")) return safe;
  const [first, ...more] = safe.split("\n");
  return [first, ...more.flatMap((line) => [html`<span class="token-line-end">${"\n"}</span>`, line])];
}

// [start, end, whether it ends at a line end] of each block
function blocksOf(tokens) {
  const found = [];
  let start = 0;
  for (let i = 0; i < tokens.id.length; i += 1) {
    const size = i + 1 - start;
    const line = tokenText(tokens, i).endsWith("\n");
    if ((size >= WANTED && line) || size >= MOST || i + 1 === tokens.id.length) {
      found.push([start, i + 1, line || i + 1 === tokens.id.length]);
      start = i + 1;
    }
  }
  return found;
}
