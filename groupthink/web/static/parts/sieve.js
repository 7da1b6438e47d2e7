// Which groups of a step are shown, and in which order: pure functions of what /api/step answers.

import { within } from "./scatter.js";
import { known } from "./text.js";

export const KINDS = [
  { key: "mixed", name: "mixed", keeps: (group) => group.kind === "mixed" },
  { key: "right", name: "all right", keeps: (group) => group.kind === "right" },
  { key: "wrong", name: "all wrong", keeps: (group) => group.kind === "wrong" },
  { key: "unknown", name: "not known", keeps: (group) => group.kind === "unknown" },
  { key: "dead", name: "no gradient", keeps: (group) => group.gradient === false },
  { key: "truncated", name: "cut off", keeps: some((one) => one.finish === "length") },
  { key: "unread", name: "no answer found", keeps: some((one) => one.extracted === null) },
  { key: "malformed", name: "out of form", keeps: some((one) => one.formed === false) },
  { key: "measured", name: "update measured", keeps: some((one) => known(one.change)) },
];

export const CONDITIONS = [
  { key: "differs", name: "differs within the group", keeps: (values) => new Set(values).size > 1 },
  { key: "zero", name: "is 0 for some", keeps: (values) => values.some((value) => value === 0) },
  { key: "all", name: "is above 0 for all", keeps: (values) => values.length > 0 && values.every((value) =>
    known(value) && value > 0) },
  { key: "absent", name: "does not count for some", keeps: (values) => values.some((value) => !known(value)) },
];

// Each group with the figures that it is sorted by
export function measuredGroups(groups) {
  return groups.map((group) => ({
    ...group,
    spread: spreadOf(group.responses.map((one) => one.reward)),
    length: meanOf(group.responses.map((one) => one.length)),
    pull: group.responses.reduce((sum, one) =>
      sum + Math.abs(one.advantage ?? 0), 0) / Math.max(1, group.responses.length),
  }));
}

// kind, part and is: strings of the address; brush: see scatter.js
export function sieved(groups, { kind, part, is, brush }) {
  const chosen = KINDS.find((one) => one.key === kind);
  const condition = CONDITIONS.find((one) => one.key === is) ?? CONDITIONS[0];
  return groups.filter(
    (group) =>
      (!chosen || chosen.keeps(group)) &&
      (!part || condition.keeps(group.responses.map((one) => one.parts?.[part] ?? null))) &&
      (!brush || group.responses.some((one) => within(one, brush))),
  );
}

function some(test) {
  return (group) => group.responses.some(test);
}

function meanOf(values) {
  const there = values.filter(known);
  return there.length ? there.reduce((sum, value) => sum + value, 0) / there.length : null;
}

// the standard deviation of a sample, as the estimators have it
function spreadOf(values) {
  const there = values.filter(known);
  if (there.length < 2) return there.length ? 0 : null;
  const mean = meanOf(there);
  return Math.sqrt(there.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (there.length - 1));
}
