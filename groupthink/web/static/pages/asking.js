// A question put to one or two models: their answers as they grow.

import { lines } from "../parts/api.js";

// turn: {question, ids, ...}; draw(turn) is called at most once a frame with the turn and its columns as they stand:
// for each model its responses, {response, reasoning, answer, done}, and whether it is `ready` to draw. before: the
// turns that it goes on from. controller: ends it; it is aborted here where one of the models fails, so that once
// this is over nothing is drawn.
export async function ask(turn, before, params, draw, controller) {
  const columns = turn.ids.map(() => []);
  const ready = turn.ids.map(() => false);
  let frame = null;
  const show = () => {
    frame = null;
    draw({ ...turn, ready: [...ready], columns: columns.map((column) => column.map((one) => ({ ...one }))) });
  };
  const take = (column) => (line) => {
    const at = column ?? line.model;
    if (line.error) throw new Error(line.error);
    if (line.ready) {
      for (const each of column === null ? ready.keys() : [column]) ready[each] = true;
      frame ??= requestAnimationFrame(show);
    }
    if (line.ready || line.end || at === undefined) return;
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
  const put = (models, said, column) => {
    const messages = [...said, { role: "user", content: turn.question }];
    return lines("/api/chat", {}, { models, messages, ...asked }, take(column), controller.signal);
  };
  show();
  const streams = before.length
    ? turn.ids.map((id, at) => put([id], history(before, id), at))
    : [put(turn.ids, [], null)];
  try {
    await Promise.all(streams);
  } finally {
    controller.abort();
    await Promise.allSettled(streams);
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
