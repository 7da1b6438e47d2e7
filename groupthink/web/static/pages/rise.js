// Where the rate of a pattern changes most over the steps: between two stretches that differ more than chance does.

import { percent } from "../parts/text.js";

const SURE = 3.3; // standard errors: hardly ever reached by chance, with as many places as are looked at

// In words, or null where nothing stands out. All lists run over the recorded steps.
export function rise(steps, matched, responses) {
  const found = steepest(steps, matched, responses);
  if (!found) return null;
  const { before, after, from, to } = found;
  const [way, one, other] = [after > before ? "rises" : "falls", percent(before), percent(after)];
  return `It ${way} most between steps ${from} and ${to}: from ${one} of the responses to ${other}.`;
}

function steepest(steps, matched, responses) {
  const width = Math.max(2, Math.round(steps.length / 10));
  const [hits, all] = [sums(matched), sums(responses)];
  const stretch = (from) => ({ hits: hits[from + width] - hits[from], all: all[from + width] - all[from] });
  let best = null;
  for (let at = width; at + width <= steps.length; at += 1) {
    const [one, other] = [stretch(at - width), stretch(at)];
    if (!one.all || !other.all) continue;
    const [before, after] = [one.hits / one.all, other.hits / other.all];
    const pooled = (one.hits + other.hits) / (one.all + other.all);
    const error = Math.sqrt(pooled * (1 - pooled) * (1 / one.all + 1 / other.all));
    const sure = error > 0 ? Math.abs(after - before) / error : 0;
    if (sure <= (best?.sure ?? SURE)) continue;
    best = { sure, before, after, from: steps[at - width], to: steps[at + width - 1] };
  }
  return best;
}

function sums(values) {
  const found = [0];
  for (const value of values) found.push(found.at(-1) + value);
  return found;
}
