// A uPlot made for one chart: thin lines, labels at their ends, marks on the axis. Colours are read from the stylesheet
// when something is drawn, so that they follow the reader's scheme.

import uPlot from "../vendor/uPlot.esm.js";
import { limits, layers } from "./chart_data.js";

const FONT = '11px -apple-system, "Segoe UI", Inter, "Noto Sans", "Liberation Sans", system-ui, sans-serif';
const ROW = 13; // pixels between two labels
const MANY = 24; // checkpoints beyond this many are drawn as ticks
const SHORT = 14; // so few values are drawn as points, too

// latest(): the chart's newest props; told(index): the cross-hair is at this place of x, or null
export function makePlot(element, latest, { told, clicked, selected }) {
  const { series, smooth, x } = latest();
  const drawn = layers(series, smooth, x);
  const options = {
    width: Math.max(element.clientWidth, 120),
    height: latest().height,
    legend: { show: false },
    padding: [8, labelWidth(series), 0, 0],
    cursor: cursorOf(latest),
    scales: {
      x: { time: false, range: (_, low, high) => latest().range ?? (low === high ? [low - 1, high + 1] : [low, high]) },
      y: { range: (_, low, high) => limits(low, high, latest().min, latest().max) },
    },
    axes: [axisX(), axisY(latest)],
    series: [{}, ...drawn.map((layer) => lineOf(layer))],
    bands: drawn.flatMap((layer, at) => (layer.kind === "low" ? [{ series: [at + 2, at + 1], fill: () =>
      colour(layer.of, 0.16) }] : [])),
    hooks: {
      setCursor: [(plot) => told(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
      setSelect: [(plot) => plot.select.width > 4 && selected(...ends(plot))],
      draw: [(plot) => drawMarks(plot, latest()), (plot) => drawLabels(plot, latest(), drawn)],
    },
  };
  const plot = new uPlot(options, [x, ...drawn.map((layer) => layer.values)], element);
  listen(plot, clicked);
  return plot;
}

// A finger has no way to hover: its first touch moves the cross-hair, a second one at the same place counts as a click.
function listen(plot, clicked) {
  let [touched, before] = [false, null];
  plot.over.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
  plot.over.addEventListener("click", () => {
    const at = plot.cursor.idx;
    if (!touched || at === before) clicked(at);
    before = at;
  });
}

export function dataOf({ x, series, smooth }) {
  return [x, ...layers(series, smooth, x).map((layer) => layer.values)];
}

// a change of what is in it asks for another plot, new values do not
export function shapeOf({ series, smooth, syncKey, height, onRange }) {
  const told = series.map((one) => [one.name, one.colour, one.points, Boolean(one.low)]);
  return JSON.stringify([told, smooth > 1, syncKey, height, Boolean(onRange)]);
}

function cursorOf(latest) {
  const { syncKey, onRange } = latest();
  return {
    y: false,
    drag: { x: Boolean(onRange), y: false, setScale: false },
    points: {
      size: (plot, at) => (plot.series[at].quiet ? 0 : 6),
      width: 0,
      fill: (plot, at) => plot.series[at].pointColour(),
    },
    sync: syncKey ? { key: syncKey, scales: ["x", null], setSeries: false } : undefined,
  };
}

function lineOf({ kind, of }) {
  const quiet = kind !== "line";
  const alpha = kind === "raw" ? 0.25 : 1;
  const few = of.values.filter((value) => value !== null).length <= SHORT;
  return {
    stroke: () => (kind === "low" || kind === "high" ? "transparent" : colour(of, alpha)),
    width: kind === "line" ? 1.6 : kind === "raw" ? 1 : 0,
    spanGaps: Boolean(of.points),
    points: { show: kind === "line" && (of.points || few), size: 5, width: 1.4, fill: () => css("--paper") },
    quiet,
    pointColour: () => colour(of, 1),
  };
}

function axisX() {
  return {
    stroke: () => css("--muted"),
    font: FONT,
    size: 22,
    gap: 3,
    space: 54,
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
    grid: { show: false },
    ticks: { stroke: () => css("--line"), width: 1, size: 4 },
    border: { show: true, stroke: () => css("--line"), width: 1 },
    values: (_, ticks) => ticks.map((tick) => String(tick)),
  };
}

function axisY(latest) {
  return {
    stroke: () => css("--muted"),
    font: FONT,
    size: (plot, values) => 10 + Math.max(24, ...(values ?? []).map((text) => widthOf(text))),
    gap: 4,
    space: 30,
    grid: { stroke: () => css("--grid"), width: 1 },
    ticks: { show: false },
    values: (_, ticks) => ticks.map((tick) => latest().axisFormat(tick)),
  };
}

// where a stretch of x was marked with the mouse: whole steps
function ends(plot) {
  const { left, width } = plot.select;
  const found = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")].map(Math.round);
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  return found;
}

// small signs on the axis; what asks for attention is a dashed line through the whole height
function drawMarks(plot, { marks }) {
  if (!marks?.length) return;
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  const unit = uPlot.pxRatio;
  ctx.save();
  const checkpoints = new Set(marks.filter((mark) => mark.kind === "checkpoint").map((mark) => mark.step));
  for (const { step, kind } of marks) {
    if (step === null) continue;
    const x = plot.valToPos(step, "x", true);
    if (x < left - 1 || x > left + width + 1) continue;
    const loud = ALERTS.has(kind);
    ctx.strokeStyle = ctx.fillStyle = css(loud ? "--warn" : "--muted");
    ctx.lineWidth = unit;
    ctx.setLineDash(loud ? [3 * unit, 3 * unit] : []);
    ctx.beginPath();
    if (loud) {
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
    } else if (kind === "checkpoint" && checkpoints.size <= MANY) {
      triangle(ctx, x, top + height, 2.5 * unit);
      ctx.fill();
    } else if (kind === "evaluation") {
      diamond(ctx, x, top + height - (checkpoints.has(step) ? 10 : 4) * unit, 3 * unit);
      ctx.stroke();
    } else {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x, top + height - 4 * unit);
      ctx.stroke();
    }
  }
  ctx.restore();
}

export const ALERTS = new Set(["finding", "disagreement", "restarted", "ended early"]);

function triangle(ctx, x, y, size) {
  ctx.moveTo(x - size, y);
  ctx.lineTo(x + size, y);
  ctx.lineTo(x, y - 1.8 * size);
  ctx.closePath();
}

function diamond(ctx, x, y, size) {
  ctx.moveTo(x, y - size);
  ctx.lineTo(x + size, y);
  ctx.lineTo(x, y + size);
  ctx.lineTo(x - size, y);
  ctx.closePath();
}

// the names of several lines, at their right ends; those that would touch are moved apart
function drawLabels(plot, { series }, drawn) {
  if (series.length < 2) return;
  const { ctx, bbox } = plot;
  const unit = uPlot.pxRatio;
  const [from, to] = [plot.scales.x.min, plot.scales.x.max];
  const labels = drawn.flatMap(({ kind, of }, layer) => {
    if (kind !== "line") return [];
    const values = plot.data[layer + 1];
    for (let at = values.length - 1; at >= 0; at -= 1) {
      if (values[at] == null || plot.data[0][at] > to || plot.data[0][at] < from) continue;
      return [{ of, y: plot.valToPos(values[at], "y", true) }];
    }
    return [];
  });
  const rows = apart(labels, bbox.top + 5 * unit, bbox.top + bbox.height - 2 * unit, ROW * unit);
  ctx.save();
  ctx.font = scaledFont(unit);
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const { of, y } of rows) {
    ctx.fillStyle = colour(of, 1);
    ctx.fillText(nameOf(of), bbox.left + bbox.width + 6 * unit, y);
  }
  ctx.restore();
}

function apart(labels, top, bottom, row) {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  let free = top;
  for (const label of sorted) {
    label.y = Math.max(label.y, free);
    free = label.y + row;
  }
  free = bottom;
  for (const label of sorted.reverse()) {
    label.y = Math.min(label.y, free);
    free = label.y - row;
  }
  return sorted;
}

function labelWidth(series) {
  return series.length < 2 ? 10 : 12 + Math.max(...series.map((one) => widthOf(nameOf(one))));
}

function nameOf({ name }) {
  return name.length > 22 ? `${name.slice(0, 21)}…` : name;
}

let ruler = null;

function widthOf(text) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = FONT;
  return ruler.measureText(text).width;
}

function scaledFont(unit) {
  return FONT.replace("11px", `${11 * unit}px`);
}

// of: a series, whose colour is a number (1 to 7) or the name of one in the stylesheet
function colour(of, alpha) {
  const value = css(`--${typeof of.colour === "string" ? of.colour : `c${of.colour}`}`);
  if (alpha === 1) return value;
  const hex = value.replace("#", "");
  const [red, green, blue] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
