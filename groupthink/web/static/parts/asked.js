// What the comparison asked for and what the update did: in words, for one response and for a group.

import { count, known, number } from "./text.js";

const LEVEL = 1e-9; // an advantage or a change of this size is none

export function way(value) {
  if (!known(value)) return null;
  return Math.abs(value) < LEVEL ? 0 : Math.sign(value);
}

// true: it moved as asked; false: it did not; null: nothing was asked, or nothing was measured
export function obeyed(one) {
  const [asked, did] = [way(one.advantage), way(one.change)];
  return !asked || did === null ? null : asked === did;
}

export function measured(responses) {
  return responses.some((one) => known(one.change));
}

// ["asked up, moved up", ...] of one response
export function inWords(one) {
  const [asked, did] = [way(one.advantage), way(one.change)];
  const names = { 1: "up", "-1": "down", 0: "nowhere" };
  if (did === null) return asked === null ? "" : `asked ${names[asked]}`;
  if (!asked) return `nothing asked, moved ${names[did]} with the others`;
  return `asked ${names[asked]}, moved ${names[did]}`;
}

// How much likelier the response became as a whole: exp of the sum of the changes of its tokens
export function timesAsLikely(one) {
  if (!known(one.change_sum)) return null;
  const times = Math.exp(one.change_sum);
  if (times > 1e4) return "more than 10,000 times as likely as before";
  if (times < 1e-4) return "less than a 10,000th as likely as before";
  return `${number(times, 3)} times as likely as before`;
}

// The group in a few sentences: what was compared, what was asked, what came of it
export function story(data) {
  const responses = data.responses;
  const up = responses.filter((one) => way(one.advantage) === 1).length;
  const down = responses.filter((one) => way(one.advantage) === -1).length;
  const worth = known(data.mean) ? `, worth ${number(data.mean)} on average` : "";
  const told = [`${count(responses.length, "response")} to one problem${worth}.`];
  if (up + down === 0) return told;
  const asked = [];
  if (up) asked.push(`${up} above the average ${up === 1 ? "is" : "are"} to become likelier`);
  if (down) asked.push(`${down} below it less likely`);
  told.push(`${asked.join(", ")}.`);
  const seen = responses.map(obeyed).filter((one) => one !== null);
  if (seen.length) told.push(`The update moved ${seen.filter(Boolean).length} of ${seen.length} as asked.`);
  return told;
}

// The sum of the average with its terms as the responses stand, best first; what is shortened stays as it is
export function sumOf(data) {
  const written = data.arithmetic?.mean;
  const [, inner, rest] = /^\((.*)\)( \/ .*)$/.exec(written ?? "") ?? [];
  const terms = inner === undefined ? [] : inner.split(" + ");
  if (terms.length !== data.responses.length) return written ?? null;
  return `(${data.responses.map((one) => terms[one.response]).join(" + ")})${rest}`;
}

// Figures of an equation with real minus signs
export function equation(text) {
  return text.replace(/-(?=[\s\d.])/g, "\u2212").replaceAll(" x ", " × ");
}

// Which responses have the text of one before them: {response: the first that has it}
export function repeated(responses) {
  const first = new Map();
  const same = {};
  for (const one of responses) {
    if (first.has(one.text)) same[one.response] = first.get(one.text);
    else first.set(one.text, one.response);
  }
  return same;
}
