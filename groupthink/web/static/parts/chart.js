// Curves over steps, with the values under the cross-hair, and the same as a table.

import { html, useState, useEffect, useLayoutEffect, useRef } from "./html.js";
import { makePlot, dataOf, shapeOf, ALERTS } from "./chart_plot.js";
import { inWords, lastOf } from "./chart_data.js";
import { Table } from "./table.js";
import { known, number, shown } from "./text.js";

const SIGNS = { checkpoint: "▲", evaluation: "◇" };

// x: steps, rising. series: [{name, values, raw, low, high, points, dash, colour}]: values along x, null where not
// known;
//   raw false: not drawn beneath its smoothed form; low, high: a band; points: sparse values, joined; colour: 1 to 7,
//  or the
//   name of one in the stylesheet.
// marks: [{step, kind, text}]. smooth: steps of a moving mean (0, 1: none). onStep(step): a click, or Enter.
// range: [from, to] of x; onRange([from, to]) when a stretch is marked with the mouse. syncKey: charts that share a
// cross-hair.
// xName: what x counts. min, max: what the y axis holds at least. format, axisFormat: figures as text. note: a line
// below. height: in pixels.
export function Curve(given) {
  const props = { smooth: 0, height: 148, format: number, marks: [], xName: "step", ...given };
  props.series = props.series.map((one, at) => ({ colour: (at % 7) + 1, ...one }));
  props.axisFormat ??= props.format;
  const { x, series, title, format, note, onStep } = props;
  const [asTable, setAsTable] = useState(false);
  const [head, place, plot, latest, at] = [useRef(null), useRef(null), useRef(null), useRef(props), useRef(null)];
  latest.current = props;

  const tell = (index) => {
    at.current = index;
    write(head.current, latest.current, index);
    mark(place.current, latest.current, index);
  };
  const open = (index) => known(x[index]) && latest.current.onStep?.(latest.current.x[index]);

  useLayoutEffect(() => {
    if (asTable) return undefined;
    const element = place.current;
    plot.current = makePlot(element, () => latest.current, {
      told: tell,
      clicked: (index) => index != null && latest.current.onStep?.(latest.current.x[index]),
      selected: (from, to) => latest.current.onRange?.([from, to]),
    });
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const repaint = () => plot.current.redraw();
    const sizes = new ResizeObserver(() => {
      const width = Math.max(element.clientWidth, 120);
      if (width !== plot.current.width) plot.current.setSize({ width, height: latest.current.height });
    });
    sizes.observe(element);
    scheme.addEventListener("change", repaint);
    return () => {
      sizes.disconnect();
      scheme.removeEventListener("change", repaint);
      plot.current.destroy();
      plot.current = null;
    };
  }, [asTable, shapeOf(props)]);

  useEffect(() => {
    plot.current?.setData(dataOf(props), true);
    tell(at.current !== null && at.current < x.length ? at.current : null);
  }, [x, given.series, given.smooth, given.marks, String(given.range ?? "")]);

  const move = (event) => {
    if (event.key === "Enter") return open(at.current);
    const next = moved(event, at.current, latest.current);
    if (next === null) return undefined;
    event.preventDefault();
    plot.current.setCursor({ left: plot.current.valToPos(x[next], "x"), top: 10 });
    return undefined;
  };

  return html`<figure class="curve">
    <figcaption class="curve-head">
      <span class="curve-title">${title}</span>
      <span class="curve-values" ref=${head}></span>
      <button type="button" class="quiet curve-table" aria-pressed=${asTable}
        aria-label=${`${title}: ${asTable ? "curve" : "table"}`}
        onClick=${() => setAsTable(!asTable)}>${asTable ? "curve" : "table"}</button>
    </figcaption>
    ${asTable
      ? html`<${Behind} ...${props} />`
      : html`<div class="curve-plot" ref=${place} role="slider" tabindex="0"
        aria-label=${inWords(title, x, series, format, props.xName)}
          aria-valuemin=${x[0] ?? 0} aria-valuemax=${x.at(-1) ?? 0} aria-valuenow=${x.at(-1) ?? 0}
            aria-orientation="horizontal" onKeyDown=${move}></div>`}
    ${note ? html`<p class="curve-note">${note}</p>` : null}
  </figure>`;
}

function Behind({ x, xName, series, title, format, range, onStep }) {
  const rows = x.map((step, at) => ({ step, at })).filter(({ step }) => !range || (step >= range[0]
    && step <= range[1]));
  const columns = [
    { key: "step", title: xName, align: "right", render: ({ step }) => (onStep ? html`<button type="button"
      class="plain" onClick=${() => onStep(step)}>${step}</button>` : step) },
    ...series.flatMap((one, place) => [
      { key: `v${place}`, title: one.name, align: "right", render: ({ at }) => format(one.values[at]) },
      ...(one.low ? [{ key: `b${place}`, title: "interval", align: "right", render: ({ at }) =>
        `${format(one.low[at])} – ${format(one.high[at])}` }] : []),
    ]),
  ];
  return html`<div class="curve-behind"><${Table} columns=${columns} rows=${rows} caption=${title} rowKey=${(row) =>
    row.step} quiet=${true} /></div>`;
}

// the line of values: of the step under the cross-hair, or the newest. Written by hand: it changes with each move of a
// mouse.
function write(element, { x, xName, series, marks, format }, index) {
  if (!element) return;
  const pieces = [];
  if (index !== null) pieces.push(piece("curve-step", `${xName} ${x[index]}`));
  for (const one of series) {
    const value = index === null ? lastOf(one.values) : nearest(one, index);
    if (index === null && series.length > 1) continue;
    const name = series.length > 1 ? `${one.name} ` : "";
    const band = one.low && index !== null
      && known(one.low[index]) ? ` [${format(one.low[index])}, ${format(one.high[index])}]` : "";
    pieces.push(piece(`curve-value ink-${one.colour}`, `${name}${format(value)}${band}`));
  }
  const here = index === null ? [] : marks.filter((each) => each.step === x[index]);
  for (const each of here) {
    pieces.push(piece(ALERTS.has(each.kind) ? "curve-mark curve-alert" : "curve-mark", `${SIGNS[each.kind] ?? "!"} ${shown(each.text || each.kind)}`));
  }
  element.replaceChildren(...pieces);
}

// of sparse values the one before, for a mouse seldom meets them
function nearest(one, index) {
  if (!one.points) return one.values[index];
  for (let at = index; at >= 0; at -= 1) if (known(one.values[at])) return one.values[at];
  return null;
}

function piece(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function mark(element, { x, xName, series, format }, index) {
  if (!element || index === null) return;
  element.setAttribute("aria-valuenow", String(x[index]));
  element.setAttribute("aria-valuetext", `${xName} ${x[index]}: ${series.map((one) =>
    `${one.name} ${format(one.values[index])}`).join(", ")}`);
}

// the place that a key leads to, or null
function moved(event, index, { x, range }) {
  const [first, last] = range ? [x.findIndex((step) => step >= range[0]), x.findLastIndex((step) =>
    step <= range[1])] : [0, x.length - 1];
  const by = event.shiftKey ? 10 : 1;
  const now = index ?? last;
  const next = { ArrowLeft: now - by, ArrowRight: now + by, PageUp: now + 10, PageDown: now - 10, Home: first, End: last }[event.key];
  return next === undefined || last < 0 ? null : Math.min(Math.max(next, first), last);
}
