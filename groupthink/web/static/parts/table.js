// A table that says by which column it is sorted, and scrolls within itself where it is too wide.

import { html, classes, useMemo } from "./html.js";

// columns: [{key, title, align: "right"|"left", render(row, place), value(row), sortable, note, head}]
//   key names the row's field unless `render` shows, or `value` gives for sorting, something else. head: a row header.
// sort: "key" or "-key"; onSort(sort) is called with the next one. presorted: the rows come in that order already.
export function Table({ columns, rows, sort, onSort, caption, presorted = false, rowKey, rowClass, quiet, kind }) {
  const sorted = useMemo(() => (presorted || !sort ? rows : inOrder(rows, columns, sort)), [rows, sort, presorted]);
  const head = Math.max(columns.findIndex((column) => column.head), 0);
  return html`<div class=${classes("table-wrap", quiet && "table-quiet", kind)} role="region" tabindex="0"
    aria-label=${`${caption ?? "figures"}, table`}>
    <table>
      ${caption ? html`<caption class="hidden">${caption}</caption>` : null}
      <thead><tr>${columns.map(
        (column) => html`<th key=${column.key} scope="col" class=${side(column)} aria-sort=${direction(column, sort)}>
          ${onSort && column.sortable !== false ? html`<${Sorter} column=${column} sort=${sort}
            onSort=${onSort} />` : column.title}
        </th>`,
      )}</tr></thead>
      <tbody>${sorted.map(
        (row, place) => html`<tr key=${rowKey ? rowKey(row) : place} class=${rowClass ? rowClass(row) : null}>
          ${columns.map((column, at) => {
            const cell = column.render ? column.render(row, place) : row[column.key];
            return at === head
              ? html`<th key=${column.key} scope="row" class=${side(column)}>${cell}</th>`
              : html`<td key=${column.key} class=${side(column)}>${cell}</td>`;
          })}
        </tr>`,
      )}</tbody>
    </table>
  </div>`;
}

function Sorter({ column, sort, onSort }) {
  const now = sort === column.key ? "up" : sort === `-${column.key}` ? "down" : null;
  const first = column.align === "right" ? `-${column.key}` : column.key; // figures: the largest first
  const sign = { up: "▲", down: "▼" }[now] ?? "";
  const next = now === null ? first : now === "up" ? `-${column.key}` : column.key;
  return html`<button type="button" class="sorter" title=${column.note ?? null} onClick=${() => onSort(next)}>
    ${column.title}<span class="sorter-sign" aria-hidden="true">${sign}</span>
  </button>`;
}

function side(column) {
  return classes(column.align === "right" && "right", column.class) || null;
}

function direction(column, sort) {
  if (sort === column.key) return "ascending";
  return sort === `-${column.key}` ? "descending" : null;
}

// What is not known comes last, either way. Rows that are level keep their order.
export function inOrder(rows, columns, sort) {
  const key = sort.replace(/^-/, "");
  const column = columns.find((each) => each.key === key);
  if (!column) return rows;
  const value = column.value ?? ((row) => row[key]);
  const way = sort.startsWith("-") ? -1 : 1;
  const absent = (one) => one === null || one === undefined || Number.isNaN(one);
  return [...rows].sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (absent(one) || absent(other)) return Number(absent(one)) - Number(absent(other));
    if (typeof one === "string") return way * one.localeCompare(other, "en", { numeric: true });
    return way * (one - other);
  });
}
