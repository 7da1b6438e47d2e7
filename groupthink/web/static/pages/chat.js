// The model before and after: any two of a run's models answer the same question side by side, once or as a group.

import { html, useState, useRef, useEffect } from "../parts/html.js";
import { isStatic } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Failed, Empty, useData } from "../parts/page.js";
import { ask } from "./asking.js";
import { Question } from "./question.js";
import { Turn } from "./turn.js";

export default function Chat({ params }) {
  const { run } = params;
  const found = useData(isStatic ? null : "/api/chat/models", { run });
  const crumbs = [{ text: "Runs", href: link("runs") }];
  if (run) crumbs.push({ text: run, href: link("run", { run }) });
  return html`<${Page} title="Chat" crumbs=${crumbs}>${isStatic
    ? html`<${Empty}>Asking a model needs the server: <code>groupthink view</code>.</${Empty}>`
    : html`<${Waited} found=${found} what="Looking for models">${({ models }) =>
        models.length
          ? html`<${Room} key=${run ?? ""} models=${models} params=${params} />`
          : html`<${Empty}>This run has kept no model yet.</${Empty}>`}</${Waited}>`}
  </${Page}>`;
}

// the model as it was before on the left and the newest on the right, where nobody chose
function chosen(models, params) {
  const known = (id) => (models.some((model) => model.id === id) ? id : undefined);
  const own = models.filter((model) => model.run);
  const [first, last] = own.length ? [own[0], own.at(-1)] : [models[0], models.at(-1)];
  const left = known(params.left) ?? first.id;
  if (params.right === "none") return [left];
  const right = known(params.right) ?? last.id;
  return right === left ? [left] : [left, right];
}

function Room({ models, params }) {
  const ids = chosen(models, params);
  const [turns, setTurns] = useState([]);
  const [error, setError] = useState(null);
  const running = useRef(null);
  const busy = turns.some((turn) => !turn.over);
  useEffect(() => () => running.current?.abort(), []); // nobody is left who would read it
  const draw = (turn) => setTurns((all) => [...all.filter((each) => each.key !== turn.key), turn]);

  const send = async () => {
    const question = (params.q ?? "").trim();
    if (!question || running.current) return;
    const controller = new AbortController();
    running.current = controller;
    setError(null);
    const titles = ids.map((id) => models.find((model) => model.id === id).title);
    const turn = { key: Date.now(), question, expected: params.expected, ids, titles, over: false };
    try {
      await ask(turn, params.talk ? turns : [], params, draw, controller);
    } catch (failure) {
      if (failure.name === "AbortError") turn.stopped = true;
      else setError(failure);
    } finally {
      running.current = null;
      const over = { over: true, stopped: Boolean(turn.stopped) };
      setTurns((all) => all.map((each) => (each.key === turn.key ? { ...each, ...over } : each)));
    }
  };

  return html`
    <${Question} models=${models} ids=${ids} params=${params} busy=${busy} onSend=${send}
      set=${(changes) => go("chat", { ...params, ...changes }, true)}
      onStop=${() => running.current?.abort()} onClear=${turns.length && !busy ? () => setTurns([]) : null} />
    ${error && html`<${Failed} error=${error} />`}
    <div class="turns" aria-live="polite" aria-busy=${busy}>${[...turns].reverse().map(
      (turn) => html`<${Turn} key=${turn.key} turn=${turn} />`,
    )}</div>`;
}
