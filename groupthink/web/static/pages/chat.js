// The model before and after: any two of a run's models answer the same question side by side, once or as a whole
// group.

import { html, useState, useRef } from "../parts/html.js";
import { link, go } from "../parts/route.js";
import { isStatic } from "../parts/api.js";
import { Page, Waited, Failed, Empty, useData } from "../parts/page.js";
import { oneLine, shown } from "../parts/text.js";
import { ask } from "./asking.js";
import { Turn } from "./turn.js";

const GROUPS = [1, 4, 8, 16];

export default function Chat({ params }) {
  const found = useData("/api/chat/models", { run: params.run });
  const crumbs = [{ text: "Runs", href: link("runs") }];
  if (params.run) crumbs.push({ text: params.run, href: link("run", { run: params.run }) });
  return html`<${Page} title="Chat" crumbs=${crumbs}>
    ${isStatic
      ? html`<${Empty}>Asking a model needs the server: <code>groupthink view</code>.</${Empty}>`
      : html`<${Waited} found=${found} what="Looking for models">${({ models }) =>
          models.length ? html`<${Room} models=${models} params=${params} />`
            : html`<${Empty}>This run has kept no model yet.</${Empty}>`}</${Waited}>`}
  </${Page}>`;
}

// before on the left and the newest on the right, where nobody chose
function chosen(models, params) {
  const known = (id) => (models.some((model) => model.id === id) ? id : undefined);
  const own = models.filter((model) => model.run);
  const [first, last] = own.length ? [own[0], own.at(-1)] : [models[0], models.at(-1)];
  const left = known(params.left) ?? first.id;
  const right = params.right === "none" ? null : known(params.right) ?? (last.id === left ? null : last.id);
  return [left, right].filter(Boolean);
}

function Room({ models, params }) {
  const ids = chosen(models, params);
  const titles = ids.map((id) => models.find((model) => model.id === id).title);
  const [turns, setTurns] = useState([]);
  const [error, setError] = useState(null);
  const running = useRef(null);
  const set = (changes) => go("chat", { ...params, ...changes }, true);

  const send = async (event) => {
    event.preventDefault();
    const question = (params.q ?? "").trim();
    if (!question || running.current) return;
    const abort = new AbortController();
    running.current = abort;
    setError(null);
    const before = params.talk ? turns : [];
    const turn = { question, expected: params.expected, ids, titles, columns: ids.map(() => []), over: false };
    const draw = (now) => setTurns((all) => [...all.filter((each) => each.key !== now.key), now]);
    try {
      await ask({ ...turn, key: Date.now() }, before, params, draw, abort.signal);
    } catch (failure) {
      if (failure.name !== "AbortError") setError(failure);
    } finally {
      running.current = null;
      setTurns((all) => all.map((each) => ({ ...each, over: true })));
    }
  };
  const busy = turns.some((turn) => !turn.over);
  return html`
    <form class="ask" onSubmit=${send} aria-label="a question">
      <div class="controls">
        <label>left <${Choice} models=${models} value=${ids[0]} onChange=${(left) => set({ left })} /></label>
        <label>right <${Choice} models=${models} value=${ids[1] ?? "none"} none=${true} onChange=${(right) =>
          set({ right })} /></label>
      </div>
      <label for="question">question</label>
      <textarea id="question" rows="2" value=${params.q ?? ""} onInput=${(event) => set({ q: event.target.value })}
        onKeyDown=${(event) => event.key === "Enter" && !event.shiftKey && !event.isComposing
          && send(event)}></textarea>
      <${Suggestions} run=${params.run} onPick=${(q, expected) => set({ q, expected })} />
      <div class="controls">
        <fieldset><legend>responses each</legend>${GROUPS.map(
          (n) => html`<button key=${n} type="button" class="choice" aria-pressed=${Number(params.n ?? 1) === n}
            onClick=${() => set({ n: n === 1 ? null : n })}>${n}</button>`,
        )}</fieldset>
        <label>expected answer <input value=${params.expected ?? ""} placeholder="to have it judged"
          onInput=${(event) => set({ expected: event.target.value })} /></label>
        ${field("temperature", params.t, (t) => set({ t }), { step: 0.1, min: 0, max: 5, placeholder: "1" })}
        ${field("at most", params.max, (max) => set({ max }), { min: 1, placeholder: "tokens" })}
        ${field("seed", params.seed, (seed) => set({ seed }), { min: 0, placeholder: "any" })}
        <label><input type="checkbox" checked=${Boolean(params.talk)} onChange=${(event) =>
          set({ talk: event.target.checked })} /> one conversation</label>
        <span class="ask-do">${busy
          ? html`<button type="button" onClick=${() => running.current?.abort()}>Stop</button>`
          : html`<button class="primary" disabled=${!(params.q ?? "").trim()}>Ask</button>`}
        ${turns.length && !busy ? html` <button type="button" class="quiet" onClick=${() =>
          setTurns([])}>clear</button>` : null}</span>
      </div>
    </form>
    ${error ? html`<${Failed} error=${error} />` : null}
    <div class="turns" aria-live="polite" aria-busy=${busy}>${[...turns].reverse().map((turn) => html`<${Turn}
      key=${turn.key} turn=${turn} />`)}</div>`;
}

function field(name, value, onInput, more) {
  return html`<label>${name} <input type="number" value=${value ?? ""} onInput=${(event) =>
    onInput(event.target.value)} ...${more} /></label>`;
}

function Choice({ models, value, onChange, none = false }) {
  return html`<select value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${none ? html`<option value="none" selected=${value === "none"}>no other</option>` : null}
    ${models.map((model) => html`<option key=${model.id} value=${model.id}
      selected=${model.id === value}>${shown(model.title)}</option>`)}
  </select>`;
}

// a few problems of the run, to begin with
function Suggestions({ run, onPick }) {
  const found = useData(run ? "/api/problems" : null, { run, sort: "visits" });
  const some = (found.data?.problems ?? []).filter((row) => typeof row.prompt === "string").slice(0, 4);
  if (!some.length) return null;
  return html`<p class="suggestions">from the run: ${some.map(
    (row) => html`<button key=${row.problem} type="button" class="plain" onClick=${() =>
      onPick(row.prompt, row.expected)}>${oneLine(row.prompt, 60)}</button> `,
  )}</p>`;
}
