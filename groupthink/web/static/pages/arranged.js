// The order of the list of runs: a pipeline is followed by its stages, in their order, whatever it is sorted by.

import { inOrder } from "../parts/table.js";

// Cards in order, a stage's with depth 1. {name, status}: the filter; a pipeline stays while one of its stages does.
export function arranged(runs, { name, status }, sort) {
  const text = (name ?? "").toLowerCase();
  const told = (run) =>
    (!status || run.status === status) && `${run.name} ${run.model} ${run.kind}`.toLowerCase().includes(text);
  const names = new Set(runs.map((run) => run.name));
  const within = (run) => names.has(run.part_of);
  const columns = [{ key: sort.replace(/^-/, "") }];
  return inOrder(runs.filter((run) => !within(run)), columns, sort).flatMap((run) => {
    const stages = runs.filter((each) => within(each) && each.part_of === run.name);
    const kept = inTurn(stages, run.stages).filter(told);
    return told(run) || kept.length ? [run, ...kept.map((each) => ({ ...each, depth: 1 }))] : [];
  });
}

// stages are listed by their names; their runs are called NN-NAME
function inTurn(cards, names) {
  const place = (card) => (names ?? []).findIndex((name) => card.name.endsWith(`-${name}`));
  return [...cards].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
}
