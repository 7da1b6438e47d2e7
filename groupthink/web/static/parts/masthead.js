// The head of every page: the house's mark, the ways to the pages, and the help on keys.

import { html, useRef } from "./html.js";
import { useRoute, link, go } from "./route.js";
import { useKeys } from "./keys.js";
import { offers } from "./api.js";

const OF_HOUSE = [
  ["runs", "Runs", "/api/runs"],
  ["seed", "Seed", "/api/seed"],
];
const OF_RUN = [
  ["run", "Run", "/api/run"],
  ["problems", "Problems", "/api/problems"],
  ["search", "Search", "/api/search"],
  ["chat", "Chat", "/api/chat/models"],
  ["notes", "Notes", "/api/notes"],
];
const WITHIN = { step: "run", group: "run", response: "run", problem: "problems" }; // pages below one of the menu
const KEYS = [
  ["j  k", "next, previous response"],
  ["[  ]", "previous, next group"],
  [",  .", "previous, next step"],
  ["w", "whole chains of a group"],
  ["/", "search in this run"],
  ["← →", "on a chart: the cross-hair; with Shift by ten"],
  ["Enter", "on a chart: open the step under the cross-hair"],
  ["?", "this help"],
  ["Esc", "close it"],
];

export function Masthead() {
  const { page, params } = useRoute();
  const help = useRef(null);
  const show = () => help.current.showModal();
  const toSearch = () => {
    const field = document.getElementById("search-for");
    if (field) field.focus();
    else if (params.run && offers("/api/search")) go("search", { run: params.run });
    else return false;
  };
  useKeys({ "?": show, "/": toSearch });
  const here = WITHIN[page] ?? page;
  const item = ([name, title], target, apart = false) => html`<li key=${name} class=${apart ? "menu-apart" : null}>
    <a href=${target} aria-current=${here === name ? (page === name ? "page" : "true") : null}>${title}</a>
  </li>`;
  const there = (items) => items.filter(([, , path]) => offers(path));
  const ofRun = params.run ? there(OF_RUN) : [];
  const home = offers("/api/runs") ? link("runs") : link("run", { run: params.run });
  return html`<header class="masthead">
    <a class="mark" href=${home}><${Mark} />groupthink</a>
    <nav aria-label="pages"><ul class="menu">
      ${there(OF_HOUSE).map((one) => item(one, link(one[0])))}
      ${ofRun.map((one, at) => item(one, link(one[0], { run: params.run }), at === 0))}
    </ul></nav>
    <button type="button" class="quiet help-button" onClick=${show} aria-label="keys" title="keys (?)">?</button>
    <${Help} dialog=${help} />
  </header>`;
}

function Help({ dialog }) {
  const beside = (event) => event.target === dialog.current && dialog.current.close();
  return html`<dialog ref=${dialog} class="help" aria-labelledby="help-title" onClick=${beside}>
    <h2 id="help-title">Keys</h2>
    <dl>${KEYS.map(
      ([keys, does]) => html`<div key=${keys}>
        <dt>${keys.split("  ").map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt><dd>${does}</dd>
      </div>`,
    )}</dl>
    <form method="dialog"><button>Close</button></form>
  </dialog>`;
}

// A group: four dots on an axis, and their mean
function Mark() {
  return html`<svg class="mark-sign" width="30" height="18" viewBox="0 0 30 18" aria-hidden="true">
    <line x1="0" x2="30" y1="16.5" y2="16.5" /><line class="mark-mean" x1="18" x2="18" y1="3" y2="16.5" />
    <path d="M2 7l5 5M7 7l-5 5" /><circle cx="13" cy="9.5" r="2.6" /><circle cx="23" cy="9.5" r="2.6" />
  </svg>`;
}
