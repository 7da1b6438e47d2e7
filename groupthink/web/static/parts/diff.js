// What two texts have in common, word by word: Myers' greedy shortest edit script (An O(ND) difference algorithm,
// 1986). Where texts are so long and different that it would take long, whole lines are compared first, then words in
// them.

const PATIENCE = 1200; // edits, of words or of lines: what is kept of the search grows by their square

// -> [{kind: "same" | "out" | "in", text}]: "out" is in `before` alone, "in" in `after` alone.
export function wordDifference(before, after) {
  const words = compare(split(before), split(after));
  if (words !== null) return words;
  const lines = compare(lined(before), lined(after));
  if (lines === null) return [{ kind: "out", text: before }, { kind: "in", text: after }].filter((part) => part.text);
  return joined(refined(lines));
}

// How much of the two is the same, from 0 to 1: the share of characters that stay.
export function likeness(parts) {
  const count = (kind) => parts.reduce((sum, part) => sum + (part.kind === kind ? part.text.length : 0), 0);
  const all = 2 * count("same") + count("out") + count("in");
  return all === 0 ? 1 : (2 * count("same")) / all;
}

// Words, numbers, and every other sign by itself; blanks go with what stands before them, line ends stand alone.
function split(text) {
  return text.match(/\n|[\p{L}\p{M}_]+[ \t]*|\p{N}+[ \t]*|[^\n\p{L}\p{M}\p{N}_][ \t]*/gu) || [];
}

function lined(text) {
  return text.match(/[^\n]*\n|[^\n]+/g) || [];
}

function compare(before, after) {
  let head = 0;
  const most = Math.min(before.length, after.length);
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const edits = script(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  if (edits === null) return null;
  const same = (words) => words.map((text) => ({ kind: "same", text }));
  return joined([...same(before.slice(0, head)), ...edits, ...same(before.slice(before.length - tail))]);
}

function script(before, after) {
  const n = before.length;
  const m = after.length;
  if (n + m === 0) return [];
  const limit = Math.min(n + m, PATIENCE);
  const middle = limit + 1;
  const reach = new Int32Array(2 * limit + 3); // reach[middle + k]: how far along `before` diagonal k has come
  const kept = [];
  for (let edits = 0; edits <= limit; edits += 1) {
    kept.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = down ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      let y = x - k;
      while (x < n && y < m && before[x] === after[y]) {
        x += 1;
        y += 1;
      }
      reach[middle + k] = x;
      if (x >= n && y >= m) return walked(before, after, kept, edits);
    }
  }
  return null;
}

function walked(before, after, kept, edits) {
  const found = [];
  let x = before.length;
  let y = after.length;
  for (let at = edits; at > 0; at -= 1) {
    const reach = kept[at];
    const middle = at + 1;
    const k = x - y;
    const down = k === -at || (k !== at && reach[middle + k - 1] < reach[middle + k + 1]);
    const from = down ? reach[middle + k + 1] : reach[middle + k - 1];
    const start = down ? from : from + 1;
    while (x > start) {
      found.push({ kind: "same", text: before[x - 1] });
      x -= 1;
      y -= 1;
    }
    if (down) found.push({ kind: "in", text: after[y - 1] });
    else found.push({ kind: "out", text: before[x - 1] });
    if (down) y -= 1;
    else x -= 1;
  }
  while (x > 0) {
    found.push({ kind: "same", text: before[x - 1] });
    x -= 1;
  }
  return found.reverse();
}

function refined(parts) {
  return parts.flatMap((part, i) => {
    const next = parts[i + 1];
    if (part.kind === "out" && next && next.kind === "in") return compare(split(part.text), split(next.text))
      || [part, next];
    if (part.kind === "in" && i > 0 && parts[i - 1].kind === "out") return [];
    return [part];
  });
}

// Neighbours of one kind become one part; within a change, what goes stands before what comes.
function joined(words) {
  const parts = [];
  let gone = "";
  let come = "";
  const settle = () => {
    if (gone) parts.push({ kind: "out", text: gone });
    if (come) parts.push({ kind: "in", text: come });
    gone = "";
    come = "";
  };
  for (const word of words) {
    if (word.kind === "out") gone += word.text;
    else if (word.kind === "in") come += word.text;
    else {
      settle();
      const last = parts[parts.length - 1];
      if (last && last.kind === "same") last.text += word.text;
      else parts.push({ kind: "same", text: word.text });
    }
  }
  settle();
  return parts;
}
