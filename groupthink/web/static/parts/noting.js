// Notes on responses: reading, writing and removing them where a response is shown.

import { html, useState } from "./html.js";
import { send, isStatic, offers } from "./api.js";
import { useData, Failed } from "./page.js";
import { shown, day } from "./text.js";

const LABELS = ["good", "bad", "odd", "hacked", "wrong reward"]; // offered; any other may be written

// A new note on a response; onSaved(note) after it is kept
export function NoteForm({ run, step, group, response, onSaved }) {
  const [state, setState] = useState({ busy: false, error: null, turn: 0 });
  if (isStatic) return null;
  const save = (event) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(event.target));
    const place = { step, group, response, ...numbers(data) };
    const note = { ...place, label: data.label.trim(), text: data.text.trim() };
    if (!note.label && !note.text) return setState({ ...state, error: new Error("a note needs a label or a text") });
    setState({ ...state, busy: true, error: null });
    return send("POST", "/api/notes", { run }, note).then(
      (saved) => {
        setState({ busy: false, error: null, turn: state.turn + 1 });
        onSaved?.(saved);
      },
      (error) => setState({ ...state, busy: false, error }),
    );
  };
  const place = response === undefined || response === null || response === "";
  return html`<form class="note-form" key=${state.turn} onSubmit=${save} aria-label="a new note">
    <div class="controls">
      ${place ? ["step", "group", "response"].map((name) => html`<label key=${name}>${name} <input name=${name}
        type="number" min="0" required defaultValue=${{ step, group, response }[name] ?? ""} /></label>`) : null}
      <label>label <input name="label" list="note-labels" maxlength="100" autocomplete="off" /></label>
      <datalist id="note-labels">${LABELS.map((label) => html`<option key=${label} value=${label} />`)}</datalist>
      <label class="note-text">note <input name="text" maxlength="20000" autocomplete="off" /></label>
      <button disabled=${state.busy}>Keep</button>
    </div>
    ${state.error ? html`<${Failed} error=${state.error} />` : null}
  </form>`;
}

function numbers(data) {
  return Object.fromEntries(["step", "group", "response"].filter((name) => data[name]).map((name) =>
    [name, Number(data[name])]));
}

// The notes on one response, and a field for another
export function NotesOf({ run, step, group, response }) {
  const found = useData(offers("/api/notes") ? "/api/notes" : null, { run });
  const mine = (found.data?.notes ?? []).filter((note) => note.step === Number(step) && note.group === Number(group)
    && note.response === Number(response));
  return html`<div class="notes-of">
    ${found.error ? html`<${Failed} error=${found.error} />` : null}
    ${mine.length ? html`<ul class="notes-list">${mine.map((note) => html`<li key=${note.id}><${Note} note=${note}
      run=${run} onGone=${found.reload} /></li>`)}</ul>` : null}
    ${isStatic && !mine.length ? html`<p class="muted">None had been made when this file was written.</p>` : null}
    <${NoteForm} run=${run} step=${Number(step)} group=${Number(group)} response=${Number(response)}
      onSaved=${found.reload} />
  </div>`;
}

function Note({ note, run, onGone }) {
  return html`<span class="note">${note.label ? html`<span class="note-label">${shown(note.label)}</span> `
    : null}<span class="note-said">${shown(note.text)}</span>
    <span class="muted">${day(note.time)}</span> <${Remove} note=${note} run=${run} onGone=${onGone} /></span>`;
}

// Asks once more in place, for what is removed is gone
export function Remove({ note, run, onGone }) {
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState(null);
  if (isStatic) return null;
  if (error) return html`<${Failed} error=${error} />`;
  if (!asked) return html`<button type="button" class="quiet" onClick=${() => setAsked(true)}
    aria-label=${`remove the note ${note.label || note.text}`}>remove</button>`;
  const remove = () => send("DELETE", "/api/notes", { run, id: note.id }).then(onGone, setError);
  return html`<span class="nowrap">remove it? <button type="button" class="quiet"
    onClick=${remove}>yes</button> <button type="button" class="quiet" onClick=${() =>
    setAsked(false)}>no</button></span>`;
}
