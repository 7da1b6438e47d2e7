// A label and a note on one response, kept with its run.

import { html, useState } from "./html.js";
import { isStatic, send } from "./api.js";
import { useData } from "./page.js";
import { ago, shown } from "./text.js";

const LABELS = ["aha", "reward hack", "wrongly judged", "repeats itself", "odd form", "look again"];
const LONGEST = 10000; // characters

export function NoteBox({ run, step, group, response }) {
  const found = useData("notes", { run });
  const [label, setLabel] = useState("");
  const [text, setText] = useState("");
  const [said, setSaid] = useState(null);
  const mine = (found.data?.notes ?? []).filter(
    (note) => Number(note.step) === Number(step) && Number(note.group) === Number(group) && Number(note.response) === Number(response),
  );
  const tell = (promise, done) =>
    promise.then(
      () => {
        setSaid(done);
        found.reload();
        return true;
      },
      (error) => setSaid(`✗ ${error.message}`),
    );
  const keep = () => {
    const body = { step: Number(step), group: Number(group), response: Number(response), label: label.trim(), text: text.trim() };
    if (!body.label && !body.text) return setSaid("a label or a note is needed");
    return tell(send("POST", "notes", { run }, body), "kept").then((done) => {
      if (!done) return;
      setLabel("");
      setText("");
    });
  };
  if (isStatic && !mine.length) return null;
  return html`<section class="notes" aria-labelledby="notes-title">
    <h2 id="notes-title">Notes</h2>
    <ul class="note-list">
      ${mine.map((note) => html`<li key=${note.id}>
        ${note.label && html`<b class="note-label">${shown(note.label)}</b>`} <span class="note-text">${shown(note.text)}</span>
        <span class="muted">${ago(note.time)}</span>
        ${!isStatic && html`<button type="button" aria-label=${`remove the note ${shown(note.label || note.text).slice(0, 40)}`}
          onClick=${() => tell(send("DELETE", "notes", { run, id: note.id }), "removed")}>remove</button>`}
      </li>`)}
    </ul>
    ${!isStatic && html`<div class="note-form">
      <label>label <input list="note-labels" maxlength="60" value=${label} onInput=${(event) => setLabel(event.target.value)} /></label>
      <datalist id="note-labels">${LABELS.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
      <label class="note-field">note <textarea rows="2" maxlength=${LONGEST} value=${text} onInput=${(event) => setText(event.target.value)}></textarea></label>
      <button type="button" onClick=${keep}>keep the note</button>
      <span role="status">${said ? shown(said) : ""}</span>
    </div>`}
  </section>`;
}
