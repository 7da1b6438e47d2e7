// Where the rate of a pattern changes most over the steps: between two stretches that differ more than chance does.

import { percent } from "../parts/text.js";

const SURE = 3.3; // standard errors: hardly ever reached by chance, with as many places as are looked at
const SHORTEST = 4; // steps of a stretch: fewer do not tell how much steps differ

// In words, or null where nothing stands out. All lists run over the recorded steps.
export function rise(steps, matched, responses) {
  const found = steepest(steps, matched, responses);
  if (!found) return null;
  const { before, after, from, to } = found;
  const [way, one, other] = [after > before ? "rises" : "falls", percent(before), percent(after)];
  return `It ${way} most between steps ${from} and ${to}: from ${one} of the responses to ${other}.`;
}

function steepest(steps, matched, responses) {
  const width = Math.max(SHORTEST, Math.round(steps.length / 10));
  const sums = {
    hits: summed(matched),
    all: summed(responses),
    hitsHits: summed(matched.map((one) => one * one)),
    hitsAll: summed(matched.map((one, at) => one * responses[at])),
    allAll: summed(responses.map((one) => one * one)),
  };
  const stretch = (from) => {
    const [hits, all, hitsHits, hitsAll, allAll] = Object.values(sums).map((sum) => sum[from + width] - sum[from]);
    return { hits, all, hitsHits, hitsAll, allAll };
  };
  let best = null;
  for (let at = width; at + width <= steps.length; at += 1) {
    const [one, other] = [stretch(at - width), stretch(at)];
    if (!one.all || !other.all) continue;
    const [before, after] = [one.hits / one.all, other.hits / other.all];
    const sure = standardErrors(one, other, width);
    if (sure <= (best?.sure ?? SURE)) continue;
    best = { sure, before, after, from: steps[at - width], to: steps[at + width - 1] };
  }
  return best;
}

// By how many standard errors the rates of two stretches differ. The responses of a group are to one problem, so they
// are no independent draws: how much the rate varies is seen from step to step, and is never taken for less than it
// would be if they were.
function standardErrors(one, other, steps) {
  const pooled = (one.hits + other.hits) / (one.all + other.all);
  const drawn = pooled * (1 - pooled) * (1 / one.all + 1 / other.all);
  const seen = between(one, steps) + between(other, steps);
  const error = Math.sqrt(Math.max(drawn, seen));
  if (!(error > 0)) return 0;
  const t = (other.hits / other.all - one.hits / one.all) / error;
  const free = 2 * (steps - 1);
  const normal = Math.sqrt(free * Math.log(1 + (t * t) / free)); // of Student's t, by Wallace (1959)
  return normal * ((8 * free + 1) / (8 * free + 3));
}

// The variance of a stretch's rate, from the residuals of its steps: that of a ratio of two sums
function between({ hits, all, hitsHits, hitsAll, allAll }, steps) {
  const rate = hits / all;
  const residuals = Math.max(0, hitsHits - 2 * rate * hitsAll + rate * rate * allAll);
  return ((steps / (steps - 1)) * residuals) / (all * all);
}

function summed(values) {
  const found = [0];
  for (const value of values) found.push(found.at(-1) + value);
  return found;
}
