// All chains of one problem, of training and of evaluations, with a name in the address for each: "t.12.3.0" is
// response 0 of group 3 of step 12, "e.after.1" the second response of the evaluation `after`.

import { link } from "./route.js";
import { known } from "./text.js";

// -> [{id, title, href, text, right, reward, length, traits, step}], in the order of training. Of many visits the
// responses of some alone are told; the others' are null.
export function chainsOf(data, run) {
  const trained = (data.visits ?? []).flatMap((visit) =>
    (visit.responses ?? []).map((one) => ({
      ...one,
      id: `t.${visit.step}.${visit.group}.${one.response}`,
      title: `step ${visit.step}, response ${one.response}`,
      href: link("response", { run, step: visit.step, group: visit.group, response: one.response }),
      step: visit.step,
    })),
  );
  const evaluated = (data.evaluations ?? []).flatMap((evaluation) =>
    evaluation.responses.map((one, i) => ({
      ...one,
      id: `e.${evaluation.name}.${i}`,
      title: `evaluation ${evaluation.name}, ${one.kind ?? "sample"} ${i}`,
      href: null,
      reward: null,
      step: evaluation.step,
    })),
  );
  return [...trained, ...evaluated];
}

// What is compared when nobody has chosen: the best of the first visit and the best of the last; of one visit, its ends
export function chosenChains(chains, first, second) {
  const steps = [...new Set(chains.map((one) => one.step))].sort((a, b) => a - b);
  const of = (step) => chains.filter((one) => one.step === step).sort((a, b) => worth(b) - worth(a));
  const [begin, end] = [of(steps[0]), of(steps.at(-1))];
  const find = (id) => chains.find((one) => one.id === id);
  return [find(first) ?? begin[0], find(second) ?? (steps.length > 1 ? end[0] : end.at(-1))];
}

// Values over steps, once for each step: [steps, {name: values}], each value the mean of what the step has
export function overSteps(visits, readings) {
  const steps = [...new Set(visits.map((visit) => visit.step))].sort((a, b) => a - b);
  const columns = {};
  for (const [name, read] of Object.entries(readings)) {
    columns[name] = steps.map((step) => mean(visits.filter((visit) => visit.step === step).map(read)));
  }
  return [steps, columns];
}

// The share of a visit's responses that have each trait, most frequent first: {trait: reading}
export function traitReadings(visits) {
  const totals = new Map();
  for (const [trait, times] of visits.flatMap((visit) => Object.entries(visit.methods ?? {}))) {
    totals.set(trait, (totals.get(trait) ?? 0) + times);
  }
  const names = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a));
  const share = (visit, name) => (visit.methods[name] ?? 0) / Math.max(1, visit.responses.length);
  return Object.fromEntries(names.map((name) => [name, (visit) => (visit.methods ? share(visit, name) : null)]));
}

// An evaluation's responses as if they were a visit
export function asVisit(evaluation) {
  const judged = evaluation.responses.filter((one) => one.right === true || one.right === false);
  const methods = {};
  for (const trait of evaluation.responses.flatMap((one) => one.traits ?? [])) {
    methods[trait] = (methods[trait] ?? 0) + 1;
  }
  return {
    step: evaluation.step,
    rate: judged.length ? judged.filter((one) => one.right).length / judged.length : null,
    length: mean(evaluation.responses.map((one) => one.length)),
    methods,
    responses: evaluation.responses,
  };
}

function worth(one) {
  return known(one.advantage)
    && one.advantage !== 0 ? one.advantage : (one.right === true ? 1 : 0) + (known(one.reward) ? one.reward : 0) / 100;
}

function mean(values) {
  const there = values.filter(known);
  return there.length ? there.reduce((sum, value) => sum + value, 0) / there.length : null;
}
