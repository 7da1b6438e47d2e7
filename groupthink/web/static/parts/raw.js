// A text as it is stored, character by character: unseen ones as escapes, and where its lines end. A megabyte without a
// blank stays usable: it is drawn in pieces, as far as somebody asks.

import { html, useMemo, useState } from "./html.js";
import { count, number, shown } from "./text.js";

const PIECE = 8000; // characters, cut where a line ends if one does
const AT_ONCE = 8; // pieces

export function Raw({ text }) {
  const all = String(text ?? "");
  const pieces = useMemo(() => cut(all), [all]);
  const [drawn, setDrawn] = useState(AT_ONCE);
  const rest = pieces.slice(drawn).reduce((sum, piece) => sum + piece.length, 0);
  const unseen = useMemo(() => shown(all).length > all.length, [all]);
  const signs = `line ends are shown as ↵${unseen ? ", unseen characters as escapes" : ""}`;
  const more = `… ${number(Math.min(rest, PIECE * AT_ONCE))} of ${count(rest, "more character")}`;
  return html`<div class="raw">
    <p class="muted">${count(all.length, "character")}; ${signs}</p>
    <div class="raw-text" tabindex="0" role="region" aria-label="raw text">
      ${pieces.slice(0, drawn).map((piece, i) => html`<span key=${i} class="raw-piece">${lined(piece)}</span>`)}
    </div>
    ${rest > 0 && html`<p><button type="button" onClick=${() => setDrawn(drawn + AT_ONCE)}>${more}</button></p>`}
  </div>`;
}

function lined(piece) {
  return shown(piece).replaceAll("\n", "↵\n");
}

function cut(text) {
  const pieces = [];
  let start = 0;
  while (start < text.length) {
    let end = Math.min(text.length, start + PIECE);
    if (end < text.length) {
      const line = text.lastIndexOf("\n", end);
      if (line > start) end = line + 1;
      else if (/[\ud800-\udbff]/.test(text[end - 1])) end -= 1; // not within a pair
    }
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}
