// A question put to one or two models: their answers as they grow.

import { lines } from "../parts/api.js";

// turn: {question, ids, ...}; draw(turn) is called at most once a frame with the turn and its columns as they stand:
// for each model its responses, {response, reasoning, answer, done}. before: the turns that it goes on from.
export async function ask(turn, before, params, draw, signal) {
  const columns = turn.ids.map(() => []);
  let frame = null;
  const show = () => {
    frame = null;
    draw({ ...turn, columns: columns.map((column) => column.map((one) => ({ ...one }))) });
  };
  const take = (column) => (line) => {
    const at = column ?? line.model;
    if (line.error) throw new Error(line.error);
    if (line.end || at === undefined) return;
    const one = (columns[at][line.response] ??= { response: line.response, reasoning: null, answer: null, done: null });
    if (line.done) one.done = line.done;
    else one[line.part] = (one[line.part] ?? "") + line.text;
    frame ??= requestAnimationFrame(show);
  };
  const asked = {
    n: number(params.n) ?? 1,
    temperature: number(params.t),
    max_tokens: number(params.max),
    seed: number(params.seed),
    expected: params.expected || null,
    run: params.run,
  };
  show();
  try {
    if (!before.length) {
      const messages = [{ role: "user", content: turn.question }];
      await lines("/api/chat", {}, { models: turn.ids, messages, ...asked }, take(null), signal);
    } else {
      const each = turn.ids.map((id, at) => {
        const messages = [...history(before, id), { role: "user", content: turn.question }];
        return lines("/api/chat", {}, { models: [id], messages, ...asked }, take(at), signal);
      });
      await Promise.all(each);
    }
  } finally {
    cancelAnimationFrame(frame);
    show();
  }
}

// what was said with one model before: of each turn its first response's answer, as chat templates want it
function history(before, id) {
  return before.flatMap((turn) => {
    const first = turn.columns[turn.ids.indexOf(id)]?.[0];
    const said = first?.done?.answer ?? first?.answer;
    return said ? [{ role: "user", content: turn.question }, { role: "assistant", content: said }] : [];
  });
}

function number(text) {
  return text === undefined || text === "" || !Number.isFinite(Number(text)) ? undefined : Number(text);
}
