// The question, whom it is put to, and how responses are drawn: all of it in the address.

import { html, useState, useRef, useEffect } from "../parts/html.js";
import { get } from "../parts/api.js";
import { Failed, useData } from "../parts/page.js";
import { oneLine, shown } from "../parts/text.js";

const GROUPS = [1, 4, 8, 16];
const NONE = "none";

export function Question({ models, ids, params, set, busy, onSend, onStop, onClear }) {
  const question = params.q ?? "";
  const [picking, setPicking] = useState(false);
  const [wanted, setWanted] = useState(false); // who asks while a suggestion is on its way means that one
  useEffect(() => {
    if (!wanted || picking) return;
    setWanted(false);
    onSend();
  }, [wanted, picking]);
  const submit = (event) => {
    event.preventDefault();
    if (picking) setWanted(true);
    else onSend();
  };
  const picked = (changes) => {
    if (changes) set(changes);
    else setWanted(false); // there is none
    setPicking(false);
  };
  const pressed = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  return html`<form class="ask" onSubmit=${submit} aria-label="a question">
    <div class="controls">
      <label>left <${Choice} models=${models} value=${ids[0]} onChange=${(left) => set({ left })} /></label>
      <label>right <${Choice} models=${models} value=${ids[1] ?? NONE} none
        onChange=${(right) => set({ right })} /></label>
    </div>
    <label for="question">question</label>
    <textarea id="question" rows="2" value=${question} onKeyDown=${pressed}
      onInput=${(event) => set({ q: event.target.value })}></textarea>
    <${Suggestions} run=${params.run} onBegin=${() => setPicking(true)} onPick=${picked} />
    <div class="controls">
      <fieldset><legend>responses each</legend>${GROUPS.map(
        (n) => html`<button key=${n} type="button" class="choice" aria-pressed=${Number(params.n ?? 1) === n}
          onClick=${() => set({ n: n === 1 ? null : n })}>${n}</button>`,
      )}</fieldset>
      <label>expected answer <input value=${params.expected ?? ""} placeholder="to have it judged"
        onInput=${(event) => set({ expected: event.target.value })} /></label>
      <${Field} name="temperature" value=${params.t} onInput=${(t) => set({ t })} step="0.1" max="2" placeholder="1" />
      <${Field} name="at most" value=${params.max} onInput=${(max) => set({ max })} placeholder="tokens" />
      <${Field} name="seed" value=${params.seed} onInput=${(seed) => set({ seed })} placeholder="any" />
      <label><input type="checkbox" checked=${Boolean(params.talk)}
        onChange=${(event) => set({ talk: event.target.checked })} /> one conversation</label>
      <span class="ask-do">
        ${onClear && html`<button type="button" class="quiet" onClick=${onClear}>clear</button>`}
        ${/* Keys: a press on Stop must not end on a button that has become Ask, which would ask again. */ busy
          ? html`<button key="stop" type="button" onClick=${onStop}>Stop</button>`
          : html`<button key="ask" class="primary" disabled=${!question.trim() && !picking}
              aria-busy=${wanted}>Ask</button>`}
      </span>
    </div>
  </form>`;
}

function Field({ name, value, onInput, step, max, placeholder }) {
  return html`<label>${name} <input type="number" min="0" step=${step} max=${max} placeholder=${placeholder}
    value=${value ?? ""} onInput=${(event) => onInput(event.target.value)} /></label>`;
}

function Choice({ models, value, onChange, none }) {
  const option = (id, title) => html`<option key=${id} value=${id} selected=${id === value}>${shown(title)}</option>`;
  return html`<select onChange=${(event) => onChange(event.target.value)}>
    ${none && option(NONE, "no other")}${models.map((model) => option(model.id, model.title))}
  </select>`;
}

// a few problems to begin with: of those that training never saw, whose answers the run knows
function Suggestions({ run, onBegin, onPick }) {
  const found = useData(run ? "/api/problems" : null, { run, kind: "held-out", sort: "name" });
  const [error, setError] = useState(null);
  const [picking, latest] = [useRef(null), useRef(null)];
  latest.current = onPick; // meanwhile other settings may have been changed
  useEffect(() => () => picking.current?.abort(), []);
  const some = (found.data?.problems ?? []).filter((row) => typeof row.prompt === "string").slice(0, 4);
  if (!some.length) return null;
  const pick = async (problem) => {
    picking.current?.abort();
    picking.current = new AbortController();
    setError(null);
    onBegin();
    try {
      latest.current(question(await get("/api/problem", { run, problem }, picking.current.signal)));
    } catch (failure) {
      if (failure.name === "AbortError") return; // another one was picked
      setError(failure);
      latest.current(null);
    }
  };
  return html`<p class="suggestions"><span>held out:</span>${some.map(
    ({ problem, prompt }) => html`<button key=${problem} type="button" class="plain"
      onClick=${() => pick(problem)}>${oneLine(prompt, 60)}</button>`,
  )}</p>${error && html`<${Failed} error=${error} />`}`;
}

// what to ask of a problem, whole (lists show its beginning), and the answer, where the run would not know it by that:
// of messages the last one is asked alone
function question({ prompt, expected }) {
  return typeof prompt === "string" ? { q: prompt, expected: null } : { q: prompt.at(-1).content ?? "", expected };
}
