// Links to what lies beside a page, with the keys that do the same.

import { html } from "./html.js";
import { useKeys } from "./keys.js";
import { go, link } from "./route.js";

// links: [{name, sign, key, page, params}], params null: there is nothing there. Returns the row of links; none of them
// leads to what is not in the file.
export function Near({ label, links }) {
  const actions = {};
  for (const { key, page, params } of links) {
    if (key && params && link(page, params)) actions[key] = () => go(page, params);
  }
  useKeys(actions);
  return html`<nav class="near" aria-label=${label}>
    ${links.map(({ name, sign, key, page, params }) => {
      const way = html`<span aria-hidden="true">${sign}</span>`;
      const inner = html`${sign === "‹" ? way : null} ${name} ${key ? html`<kbd>${key}</kbd>`
        : null} ${sign === "‹" ? null : way}`;
      const href = params && link(page, params);
      return href
        ? html`<a key=${name} class="near-link" href=${href} aria-keyshortcuts=${key}>${inner}</a>`
        : html`<span key=${name} class="near-link near-none" aria-disabled="true">${inner}</span>`;
    })}
  </nav>`;
}

// The links of a step or group page to its neighbours, within what is recorded
export function beside(page, params, name, value, first, last, names, keys) {
  const place = Number(value);
  const to = (next) => (next >= first && next <= last ? { ...params, [name]: String(next) } : null);
  return [
    { name: names[0], sign: "‹", key: keys[0], page, params: to(place - 1) },
    { name: names[1], sign: "›", key: keys[1], page, params: to(place + 1) },
  ];
}
