// The notes on a run's responses: by label, with the way to each response, and all of them as a file.

import { html } from "../parts/html.js";
import { address, isStatic } from "../parts/api.js";
import { link, go } from "../parts/route.js";
import { Page, Waited, Empty, useData } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { NoteForm, Remove } from "../parts/noting.js";
import { day, count, shown } from "../parts/text.js";

export default function Notes({ params }) {
  const { run } = params;
  const found = useData("/api/notes", { run });
  const crumbs = [
    { text: "Runs", href: link("runs") },
    { text: run ?? "", href: link("run", { run }) },
  ];
  return html`<${Page} title="Notes" crumbs=${crumbs}>
    <${Waited} found=${found} what="Reading the notes">${({ notes }) =>
      html`<${Kept} notes=${notes} params=${params} reload=${found.reload} />`}</${Waited}>
  </${Page}>`;
}

function Kept({ notes, params, reload }) {
  const { run, label } = params;
  const set = (changes) => go("notes", { ...params, ...changes }, true);
  const labels = [...new Set(notes.map((note) => note.label).filter(Boolean))].sort();
  const told = label ? notes.filter((note) => note.label === label) : notes;
  const kept = () => {
    reload();
    set({ step: null, group: null, response: null });
  };
  return html`
    <div class="controls">
      <span role="status">${count(told.length, "note")}</span>
      ${labels.length > 0 && html`<fieldset><legend>label</legend>${labels.map(
        (each) => html`<button key=${each} type="button" class="choice" aria-pressed=${label === each}
          onClick=${() => set({ label: label === each ? null : each })}>${shown(each)}</button>`,
      )}</fieldset>`}
      ${notes.length > 0 && !isStatic && html`<${Export} run=${run} />`}
    </div>
    ${told.length
      ? html`<${Table} columns=${columns(run, reload)} rows=${told} sort=${params.sort ?? "-time"}
          onSort=${(sort) => set({ sort })} caption="Notes" rowKey=${(note) => note.id} />`
      : html`<${Empty}>${isStatic ? "No notes had been made when this file was written."
          : "No notes yet. A response's page takes them, and so does the line below."}</${Empty}>`}
    ${!isStatic && html`<section class="section new-note" aria-labelledby="new-note"><h2 id="new-note">A new note</h2>
      <${NoteForm} key=${`${params.step} ${params.group} ${params.response}`} run=${run} ...${placeOf(params)}
        onSaved=${kept} /></section>`}`;
}

function Export({ run }) {
  return html`<a href=${address("/api/notes.jsonl", { run })} download>All as JSONL, with the responses</a>`;
}

function placeOf({ step, group, response }) {
  const said = [step, group, response].every((each) => each !== undefined);
  return said ? { step: Number(step), group: Number(group), response: Number(response) } : {};
}

function columns(run, reload) {
  const where = (note) => {
    const { step, group, response } = note;
    const words = `step ${step}, group ${group}, response ${response}`;
    return html`<a class="nowrap" href=${link("response", { run, step, group, response })}>${words}</a>`;
  };
  return [
    {
      key: "label",
      title: "label",
      render: ({ label }) => label && html`<span class="note-label">${shown(label)}</span>`,
    },
    { key: "text", title: "note", render: (note) => html`<span class="note-said">${shown(note.text)}</span>` },
    {
      key: "step",
      title: "response",
      head: true,
      value: ({ step, group, response }) => step * 1e6 + group * 1e3 + response,
      render: where,
    },
    { key: "time", title: "written", align: "right", class: "nowrap", render: (note) => day(note.time) },
    {
      key: "remove",
      title: html`<span class="hidden">remove</span>`,
      sortable: false,
      align: "right",
      render: (note) => html`<${Remove} note=${note} run=${run} onGone=${reload} />`,
    },
  ];
}
