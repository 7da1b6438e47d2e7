// Curves over steps, with the values under the cross-hair, and the same as a table.

import { html, useEffect, useLayoutEffect, useRef } from "./html.js";
import { makePlot, dataOf, shapeOf, ALERTS } from "./chart_plot.js";
import { inWords, lastOf } from "./chart_data.js";
import { Table } from "./table.js";
import { known, number, shown } from "./text.js";

const SIGNS = { checkpoint: "▲", evaluation: "◇" };

// x: steps, rising. series: [{name, values, ...}], values along x, null where not known; and of each, if need be:
//   low, high: a band; points: sparse values, joined; colour: 1 to 7, or the name of one in the stylesheet.
// marks: [{step, kind, text}]. smooth: over how many steps a moving mean goes (0, 1: none). xName: what x counts.
// onStep(step): a click, or Enter, where leads(step) holds.
// range: [from, to] of x; onRange([from, to]): a stretch was marked with the mouse.
// syncKey: charts with the same one share a cross-hair. min, max: what the y axis holds at least.
// asTable: whether the figures stand there in its place; onTable(): that is to change.
// format, axisFormat: figures as text. note: a line below. height: in pixels.
export function Curve(given) {
  const props = { smooth: 0, height: 148, format: number, marks: [], xName: "step", leads: () => true, ...given };
  props.series = props.series.map((one, at) => ({ colour: (at % 7) + 1, ...one }));
  props.axisFormat ??= props.format;
  const { x, xName, series, title, format, note, asTable, onTable } = props;
  const [head, foot, place] = [useRef(null), useRef(null), useRef(null)];
  const [plot, latest, at] = [useRef(null), useRef(props), useRef(null)];
  latest.current = props;

  const tell = (index) => {
    at.current = index;
    write(head.current, foot.current, latest.current, index);
    mark(place.current, latest.current, index);
  };
  const open = (index) => {
    const { x: steps, onStep, leads } = latest.current;
    if (index != null && leads(steps[index])) onStep?.(steps[index]);
  };

  useLayoutEffect(() => {
    if (asTable) return undefined;
    const element = place.current;
    plot.current = makePlot(element, () => latest.current, {
      told: tell,
      clicked: open,
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
    plot.current.setCursor({ left: plot.current.valToPos(x[next], "x"), top: 10 }, true, true);
    return undefined;
  };

  const last = x.at(-1) ?? 0;
  const face = asTable
    ? html`<${Behind} ...${props} />`
    : html`<div class="curve-plot" ref=${place} role="slider" tabindex="0" onKeyDown=${move}
        aria-label=${inWords(title, x, series, format, xName)} aria-orientation="horizontal"
        aria-valuemin=${x[0] ?? 0} aria-valuemax=${last} aria-valuenow=${last}></div>`;
  const other = asTable ? "curve" : "table";
  return html`<figure class="curve">
    <figcaption class="curve-head">
      <span class="curve-title">${title}</span>
      <span class="curve-newest" ref=${head}></span>
      <button type="button" class="quiet curve-table" aria-pressed=${Boolean(asTable)} onClick=${onTable}
        aria-label=${`${title}: ${other}`}>${other}</button>
    </figcaption>
    ${face}
    <p class="curve-note"><span class="curve-values" ref=${foot}></span><span class="curve-said">${note}</span></p>
  </figure>`;
}

// The same as a table, of the steps that are in sight
function Behind({ x, xName, series, title, format, range, onStep, leads }) {
  const there = (step) => !range || (step >= range[0] && step <= range[1]);
  const rows = x.map((step, at) => ({ step, at })).filter(({ step }) => there(step));
  const figures = series.flatMap(({ name, values, low, high }, place) => {
    const column = { key: `v${place}`, title: name, align: "right", render: ({ at }) => format(values[at]) };
    if (!low) return [column];
    const band = ({ at }) => (known(low[at]) ? `${format(low[at])} – ${format(high[at])}` : "");
    return [column, { key: `b${place}`, title: "interval", align: "right", render: band }];
  });
  const render = ({ step }) =>
    onStep && leads(step)
      ? html`<button type="button" class="plain" onClick=${() => onStep(step)}>${step}</button>`
      : step;
  const steps = { key: "step", title: xName, align: "right", render };
  return html`<div class="curve-behind"><${Table} columns=${[steps, ...figures]} rows=${rows} caption=${title}
    rowKey=${(row) => row.step} quiet=${true} /></div>`;
}

// The newest value at the head, those under the cross-hair at the foot. Written by hand: they change with each move.
function write(head, foot, { x, xName, series, marks, format }, index) {
  if (!head || !foot) return;
  head.replaceChildren(...(series.length === 1 ? [piece(series[0].colour, format(lastOf(series[0].values)))] : []));
  if (index === null) return foot.replaceChildren();
  const before = x[index - 1] ?? -Infinity; // a point may stand for several steps
  const here = marks.filter(({ step }) => step !== null && step > before && step <= x[index]);
  const value = (one) => {
    const words = `${series.length > 1 ? `${one.name} ` : ""}${format(nearest(one, index))}`;
    const band = one.low && known(one.low[index]);
    return band ? `${words} [${format(one.low[index])}, ${format(one.high[index])}]` : words;
  };
  return foot.replaceChildren(
    piece("muted", `${xName} ${x[index]}`),
    ...series.map((one) => piece(one.colour, value(one))),
    ...here.map((mark) => piece(ALERTS.has(mark.kind) ? "warn" : "muted", wordsOf(mark))),
  );
}

function wordsOf(mark) {
  return `${SIGNS[mark.kind] ?? "!"} ${shown(`${mark.kind} ${mark.text}`.trim())}`;
}

// of sparse values the one before, for a mouse seldom meets them
function nearest(one, index) {
  if (!one.points) return one.values[index];
  for (let at = index; at >= 0; at -= 1) if (known(one.values[at])) return one.values[at];
  return null;
}

function piece(colour, text) {
  const element = document.createElement("span");
  element.className = `ink-${colour}`;
  element.textContent = text;
  return element;
}

function mark(element, { x, xName, series, format }, index) {
  if (!element || index === null) return;
  const figures = series.map((one) => `${one.name} ${format(one.values[index])}`).join(", ");
  element.setAttribute("aria-valuenow", String(x[index]));
  element.setAttribute("aria-valuetext", `${xName} ${x[index]}: ${figures}`);
}

// the place that a key leads to, or null
function moved(event, index, { x, range }) {
  const [first, last] = range
    ? [x.findIndex((step) => step >= range[0]), x.findLastIndex((step) => step <= range[1])]
    : [0, x.length - 1];
  const now = index ?? last;
  const by = event.shiftKey ? 10 : 1;
  const ways = { ArrowLeft: -by, ArrowRight: by, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
  if (!Object.hasOwn(ways, event.key) || last < 0) return null;
  return Math.min(Math.max(now + ways[event.key], first), last);
}
