// The example's own texts, which are well formed: the reasoning between its tags, and the answer behind them.

export function read(text) {
  const found = /^<think>([\s\S]*)<\/think>([\s\S]*)$/.exec(text);
  return found ? { reasoning: found[1], answer: found[2] } : { reasoning: "", answer: text };
}
