// Which pages a file that stands alone can show: those of which it has what they ask for first.

import { has, isStatic } from "./api.js";

const GROUP = ["run", "step", "group"];
const ASKED = {
  run: ["run"],
  step: ["run", "step"],
  group: GROUP,
  response: [...GROUP, "response"],
  problems: ["run", "sort", "kind", "page"],
  problem: ["run", "problem"],
  notes: ["run"],
};

export function isThere(page, params) {
  if (!isStatic) return true;
  const all = page === "problems" ? { sort: "visits", ...params } : params;
  return has(page, Object.fromEntries((ASKED[page] ?? []).map((name) => [name, all[name]])));
}
