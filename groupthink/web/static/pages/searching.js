// A search under way: what has come of it so far.

import { useState, useEffect } from "../parts/html.js";
import { lines } from "../parts/api.js";

// {hits, progress, end, error, done} of what is asked, growing while the answer streams in; asked null: nothing is.
export function useSearch(run, asked) {
  const key = asked && JSON.stringify([run, asked]);
  const [state, setState] = useState({ hits: [] });
  useEffect(() => {
    if (!key) return undefined;
    const abort = new AbortController();
    const now = { hits: [], progress: null, end: null, error: null, done: false };
    let frame = null;
    const draw = () => {
      frame = null;
      if (!abort.signal.aborted) setState({ ...now, hits: [...now.hits] });
    };
    const take = (line) => {
      if (line.hit) now.hits.push(line.hit);
      else if (line.progress) now.progress = line.progress;
      else if (line.error) now.error = new Error(line.error);
      else now.end = line;
      frame ??= requestAnimationFrame(draw); // hits come in hundreds
    };
    const finish = (error = null) => {
      if (error?.name === "AbortError") return;
      now.error ??= error;
      now.done = true;
      draw();
    };
    draw();
    lines("/api/search", { run, ...asked }, null, take, abort.signal).then(() => finish(), finish);
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
    };
  }, [key]);
  return state;
}
