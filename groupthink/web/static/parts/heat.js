// What a token can be coloured by. Each choice has fixed limits, so that two responses can be compared by eye; the
// colours are steps of equal lightness in OKLCH (reading.css), and a line under the token grows with them: dashed
// where the value is below zero. So nothing is told by colour alone.

import { moved } from "./scale.js";
import { number } from "./text.js";

// `limits`: from which size on a token has level 1, 2, ...; `column` has the values, `size` is what is compared with
// the limits.
export const MODES = [
  {
    key: "logprob",
    title: "log-probability",
    about: "How likely the policy found the token that it drew: the stronger the colour, the more it surprised.",
    limits: [0.051, 0.223, 0.693, 1.609, 2.996, 4.605],
    names: ["over 95%", "80 to 95%", "50 to 80%", "20 to 50%", "5 to 20%", "1 to 5%", "under 1%"],
    column: "logprob",
    size: (value) => -value,
    both: false,
  },
  {
    key: "ratio",
    title: "importance ratio",
    about: "The learner's probability of the token divided by the one that it was drawn with: 1 where the two agree.",
    limits: [0.01, 0.03, 0.1, 0.2, 0.5, 1],
    column: "ratio",
    size: (value) => Math.log(Math.max(value, 1e-30)),
    both: true,
  },
  {
    key: "kl",
    title: "KL to the reference",
    about: "How far the policy has gone from the reference at this token (k3, nats).",
    limits: [0.001, 0.01, 0.03, 0.1, 0.3, 1],
    column: "kl",
    size: (value) => value,
    both: false,
  },
  {
    key: "entropy",
    title: "entropy",
    about: "How undecided the policy was before this token: where it is high, responses part.",
    limits: [0.05, 0.2, 0.5, 1, 2, 3],
    column: "entropy",
    size: (value) => value,
    both: false,
  },
  {
    key: "clipped",
    title: "clipped or not",
    about: "Tokens whose gradient the clip of the ratio took away in the last update.",
    limits: [0.5],
    names: ["not clipped", "clipped"],
    column: "clipped",
    size: (value) => (value ? 1 : 0),
    both: false,
    levels: [0, 6],
  },
  {
    key: "advantage",
    title: "advantage",
    about: "What the update asked of this token: up where it is above zero, down where it is below.",
    limits: [0.02, 0.1, 0.25, 0.5, 1, 2],
    column: "advantage",
    size: (value) => value,
    both: true,
  },
  {
    key: "change",
    title: "change by the update",
    about: "By how much the update really moved the log-probability of this token.",
    limits: [0.0001, 0.0005, 0.002, 0.01, 0.05, 0.2],
    column: "change",
    size: (value) => value,
    both: true,
  },
];

export function modeOf(key) {
  return MODES.find((mode) => mode.key === key) || null;
}

// Whether a response has any value of it at all.
export function hasValues(tokens, mode) {
  return (tokens[mode.column] || []).some((value) => value !== null && value !== undefined);
}

// -6 to 6, 0 where there is nothing to see; null where the value is not known.
function level(mode, value) {
  if (value === null || value === undefined) return null;
  const size = mode.size(value);
  let found = 0;
  while (found < mode.limits.length && Math.abs(size) >= mode.limits[found]) found += 1;
  if (mode.levels) found = mode.levels[found];
  if (!mode.both) return size > 0 ? found : 0;
  return size < 0 ? -found : found;
}

// Whether the policy did not draw a token: a task replied with it.
export function isReply(tokens, at) {
  return tokens.sampled?.[at] === false;
}

// The level of a token; of a reply there is nothing to see
export function levelAt(mode, tokens, at) {
  if (isReply(tokens, at)) return 0;
  return level(mode, tokens[mode.column] ? tokens[mode.column][at] : null);
}

export function heatClass(found) {
  if (found === null) return "heat-none";
  if (found === 0) return "";
  return found > 0 ? `heat-p${found}` : `heat-n${-found}`;
}

// One entry for each level that the mode has, lowest first, with how many tokens have it.
export function legend(mode, tokens) {
  const counts = new Map();
  for (let at = 0; at < tokens.id.length; at += 1) {
    if (isReply(tokens, at)) continue;
    const found = levelAt(mode, tokens, at);
    counts.set(found, (counts.get(found) || 0) + 1);
  }
  const sides = mode.both ? [-1, 1] : [1];
  const entries = [];
  for (const side of sides) {
    const some = [];
    for (let at = 1; at <= mode.limits.length; at += 1) {
      const found = (mode.levels ? mode.levels[at] : at) * side;
      some.push({ level: found, name: nameOf(mode, at, side), count: counts.get(found) || 0 });
    }
    if (side < 0) entries.push(...some.reverse());
    else entries.push({ level: 0, name: nameOf(mode, 0, 1), count: counts.get(0) || 0 }, ...some);
  }
  const unknown = counts.get(null) || 0;
  return unknown ? [...entries, { level: null, name: "not known", count: unknown }] : entries;
}

export function shownValue(column, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (column === "advantage" || column === "change") return moved(value, 3);
  if (column === "id" || column === "version") return String(value);
  return number(value, 4);
}

// "+0.1 to +0.25", "−2 and below": what a level stands for
function nameOf(mode, at, side) {
  if (mode.names) return mode.names[at];
  if (at === 0) return mode.both ? `${bound(mode, 1, -1)} to ${bound(mode, 1, 1)}` : `under ${bound(mode, 1, 1)}`;
  if (at === mode.limits.length) return `${bound(mode, at, side)} and ${side < 0 ? "below" : "more"}`;
  const ends = [bound(mode, at, side), bound(mode, at + 1, side)];
  return (side < 0 ? ends.reverse() : ends).join(" to ");
}

function bound(mode, at, side) {
  const limit = side * mode.limits[at - 1];
  if (mode.key === "ratio") return number(Math.exp(limit), 2);
  return mode.both ? moved(limit) : number(limit);
}
