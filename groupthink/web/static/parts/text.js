// What a model wrote, as text and nothing else; and figures as people read them.

import { html, useState } from "./html.js";

// controls, bidi and other format marks, lone surrogates, odd line ends
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const LONG = 20000; // characters: a text beyond that is shown in full when asked for
const NONE = "–";
const MINUS = "\u2212";

// Unseen characters are spelt out; line breaks and tabs stay. The rule of groupthink/run/printable.py.
export function shown(text) {
  return String(text ?? "").replace(UNSEEN, (char) => (char === "\n" || char === "\t" ? char : spelt(char)));
}

function spelt(char) {
  const code = char.codePointAt(0);
  const [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}

// A model's text with its line breaks; a very long one is cut until somebody asks for the rest.
export function Text({ text, long = LONG }) {
  const [whole, setWhole] = useState(false);
  const all = String(text ?? "");
  if (whole || all.length <= long) return html`<span class="written">${shown(all)}</span>`;
  const rest = all.length - long;
  return html`<span class="written">${shown(all.slice(0, long))}</span>
    <button type="button" class="more" onClick=${() => setWhole(true)}>… ${count(rest, "more character")}</button>`;
}

// A chain of thought: the reasoning, then the answer. reasoning null: none was marked; answer null: none was given.
// fold: how the reasoning begins: undefined (it cannot be folded), "open" or "closed".
export function Chain({ text, reasoning, answer, fold }) {
  if (reasoning == null && answer == null) return html`<div class="chain"><${Text} text=${text} /></div>`;
  const thought = String(reasoning ?? "").replace(/^\n+|\n+$/g, "");
  const label = html`<span class="chain-label">reasoning</span>`;
  const inner = thought.trim() ? html`<${Text} text=${thought} />` : html`<span class="none">none</span>`;
  return html`<div class="chain">
    ${fold
      ? html`<details class="chain-reasoning" open=${fold === "open"}><summary>${label}</summary>${inner}</details>`
      : html`<div class="chain-reasoning">${label}${inner}</div>`}
    <div class="chain-answer">
      <span class="chain-label">answer</span>
      ${answer == null ? html`<span class="none">none was given</span>` : html`<${Text} text=${answer} />`}
    </div>
  </div>`;
}

// A prompt: a text, or a list of messages
export function Prompt({ prompt }) {
  if (!Array.isArray(prompt)) return html`<div class="prompt"><${Text} text=${prompt} /></div>`;
  const content = (turn) => (typeof turn.content === "string" ? turn.content : JSON.stringify(turn.content));
  return html`<div class="prompt">${prompt.map(
    (turn) => html`<div class="prompt-turn">
      <span class="chain-label">${shown(turn.role)}</span><${Text} text=${content(turn)} />
    </div>`,
  )}</div>`;
}

// A prompt in one line; of messages the user's last
export function oneLine(prompt, longest = 160) {
  const turns = Array.isArray(prompt) ? [...prompt].reverse() : [];
  const turn = turns.find((each) => each.role === "user") ?? turns[0];
  const text = shown(turn ? turn.content : prompt).replace(/\s+/g, " ").trim();
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

// a share: 0.5 is 50.0%
export function percent(share, digits = 1) {
  return known(share) ? minus(`${(100 * share).toFixed(digits)}%`) : NONE;
}

// +0.333, −0.467
export function signed(value, digits = 3) {
  if (!known(value)) return NONE;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : minus(value > 0 ? `+${text}` : text);
}

// with so many digits that mean something; whole numbers in full
export function number(value, digits = 3) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return minus(value.toLocaleString("en-US"));
  if (size >= 1000) return minus(Math.round(value).toLocaleString("en-US"));
  if (size < 1e-4 || size >= 1e15) return minus(value.toExponential(Math.max(digits - 2, 0)));
  return minus(String(Number(value.toPrecision(digits))));
}

// with a fixed number of decimals, to stand in a column
export function fixed(value, digits = 2) {
  return known(value) ? minus(value.toFixed(digits)) : NONE;
}

// a duration: 0.034 s, 7.3 s, 5 min, 2.5 h
export function seconds(value) {
  if (!known(value)) return NONE;
  if (value < 60) return `${number(value, 2)} s`;
  return value < 3600 ? `${Math.round(value / 60)} min` : `${number(value / 3600, 2)} h`;
}

// a moment (unix seconds), from now
export function ago(time, now = Date.now() / 1000) {
  if (!known(time)) return NONE;
  const past = now - time;
  if (past < 5) return "now";
  if (past < 86400) return `${seconds(Math.round(past))} ago`;
  return past < 14 * 86400 ? `${count(Math.floor(past / 86400), "day")} ago` : day(time);
}

// 2026-02-01
export function day(time) {
  return known(time) ? new Date(time * 1000).toISOString().slice(0, 10) : NONE;
}

// 1 step, 2 steps
export function count(value, noun, plural = `${noun}s`) {
  return `${number(value)} ${value === 1 ? noun : plural}`;
}

// right, wrong or unknown, as a sign, and with its word
export function Sign({ right, word = false }) {
  const kind = right === true ? "right" : right === false ? "wrong" : "unknown";
  const [sign, name] = { right: ["✓", "right"], wrong: ["✗", "wrong"], unknown: ["·", "not known"] }[kind];
  const said = word ? ` ${name}` : null;
  return html`<span class=${`sign sign-${kind}`} role="img" aria-label=${name} title=${name}>${sign}</span>${said}`;
}

function minus(text) {
  return text.replace(/-/g, MINUS);
}
