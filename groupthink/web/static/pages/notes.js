// The notes on a run's responses: by label, with the way to each response, and all of them as a file.

import { html } from "../parts/html.js";
import { address, isStatic } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { NoteForm, Remove } from "../parts/noting.js";
import { day, count, shown } from "../parts/text.js";

export default function Notes({ params }) {
  const { run, label } = params;
  const found = useData("/api/notes", { run });
  const set = (changes) => go("notes", { ...params, ...changes }, true);
  const crumbs = [{ text: "Runs", href: link("runs") }, { text: run ?? "", href: link("run", { run }) }];
  const keep = () => {
    found.reload();
    set({ step: null, group: null, response: null });
  };
  return html`<${Page} title="Notes" crumbs=${crumbs}>
    <${Waited} found=${found} what="Reading the notes">${({ notes }) => {
      const labels = [...new Set(notes.map((note) => note.label).filter(Boolean))].sort();
      const told = label ? notes.filter((note) => note.label === label) : notes;
      return html`
        <div class="controls">
          <span role="status">${count(told.length, "note")}</span>
          ${labels.length
            ? html`<fieldset><legend>label</legend>${labels.map(
                (each) => html`<button key=${each} type="button" class="choice" aria-pressed=${label === each}
                  onClick=${() => set({ label: label === each ? null : each })}>${shown(each)}</button>`,
              )}</fieldset>`
            : null}
          ${notes.length && !isStatic ? html`<a
            href=${address("/api/notes.jsonl", { run })} download>Export as JSONL, with the responses</a>` : null}
        </div>
        ${told.length
          ? html`<${List} notes=${told} run=${run} sort=${params.sort ?? "-time"} onSort=${(sort) => set({ sort })}
            onGone=${found.reload} />`
          : html`<${Empty}>No notes yet. A response's page takes them; so does the line below.</${Empty}>`}
        <section class="section" aria-labelledby="new-note"><h2 id="new-note">${isStatic ? null : "A new note"}</h2>
          <${NoteForm} key=${`${params.step} ${params.group} ${params.response}`} run=${run} ...${placeOf(params)}
            onSaved=${keep} /></section>`;
    }}</${Waited}>
  </${Page}>`;
}

function placeOf({ step, group, response }) {
  const said = [step, group, response].every((each) => each !== undefined);
  return said ? { step: Number(step), group: Number(group), response: Number(response) } : {};
}

function List({ notes, run, sort, onSort, onGone }) {
  const columns = [
    { key: "label", title: "label", render: (note) => (note.label ? html`<span
      class="note-label">${shown(note.label)}</span>` : "") },
    { key: "text", title: "note", render: (note) => html`<span class="note-said">${shown(note.text)}</span>` },
    {
      key: "step", title: "response", head: true,
      value: (note) => note.step * 1e6 + note.group * 1e3 + note.response,
      render: (note) => html`<a class="nowrap"
        href=${link("response", { run, step: note.step, group: note.group, response: note.response })}>step ${note.step}, group ${note.group}, response ${note.response}</a>`,
    },
    { key: "time", title: "written", align: "right", render: (note) => html`<span
      class="nowrap">${day(note.time)}</span>` },
    { key: "remove", title: html`<span class="hidden">remove</span>`, sortable: false, align: "right",
      render: (note) => html`<${Remove} note=${note} run=${run} onGone=${onGone} />` },
  ];
  return html`<${Table} columns=${columns} rows=${notes} sort=${sort} onSort=${onSort} caption="Notes"
    rowKey=${(note) => note.id} />`;
}
