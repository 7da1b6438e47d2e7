// Which of a group's columns are in sight, where not all of them have room beside each other, and how to bring one
// there. On a phone they stand in one column, and all are.

import { useLayoutEffect, useState } from "./html.js";

const WHOLE = 0.9; // of a column's width: less of it does not count as in sight

// {out: the responses out of sight, left, right: whether there is more that way} of the frame's columns; shape: what
// changes with them
export function useSight(frame, shape) {
  const [seen, setSeen] = useState("[[],false,false]");
  useLayoutEffect(() => {
    const element = frame.current;
    const look = () => setSeen(JSON.stringify(sightOf(element)));
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [shape]);
  const [out, left, right] = JSON.parse(seen);
  return { out, left, right };
}

function sightOf(frame) {
  if (inOneColumn(frame)) return [[], false, false];
  const [from, to] = between(frame);
  const hidden = columnsOf(frame).filter((column) => {
    const { left, right, width } = column.getBoundingClientRect();
    return !stays(column) && Math.min(right, to) - Math.max(left, from) < WHOLE * width;
  });
  const rest = frame.scrollWidth - frame.clientWidth - frame.scrollLeft;
  return [hidden.map((column) => Number(column.dataset.response)), frame.scrollLeft > 1, rest > 1];
}

// Into view: among the columns only sideways, between those that stay at the edges; on a phone down
export function show(column) {
  const frame = column.parentElement;
  if (inOneColumn(frame)) return column.scrollIntoView({ block: "start" });
  const columns = columnsOf(frame);
  const box = column.getBoundingClientRect();
  const [from, to] = between(frame, column);
  if (column === columns[0]) frame.scrollLeft = 0;
  else if (column === columns.at(-1)) frame.scrollLeft = frame.scrollWidth;
  else if (box.left < from) frame.scrollLeft -= from - box.left;
  else if (box.right > to) frame.scrollLeft += box.right - to;
}

// Where columns that scroll can be seen: between those that stay at the edges, `but` one of them
function between(frame, but = null) {
  const columns = columnsOf(frame);
  const [first, last] = [columns[0], columns.at(-1)];
  const edge = (one) => one !== but && stays(one);
  const labels = frame.firstElementChild;
  const from = (edge(first) ? first : labels).getBoundingClientRect().right;
  const to = edge(last) ? last.getBoundingClientRect().left : frame.getBoundingClientRect().right;
  return [from, to];
}

function columnsOf(frame) {
  return [...frame.querySelectorAll(":scope > .five-response")];
}

function stays(column) {
  return getComputedStyle(column).position === "sticky";
}

function inOneColumn(frame) {
  return getComputedStyle(frame).display === "flex";
}
