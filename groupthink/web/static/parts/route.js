// Every state of a page is in its address: #/page?name=value. Nothing else remembers where one is.

import { useState, useEffect } from "./html.js";
import { isThere } from "./in_file.js";

const CHANGED = "groupthink-route";
const PAUSE = 350; // milliseconds between two changes: browsers allow only so many in a while, and typing makes many

let waiting = null; // the address that is to be written
let timer = null;

// {page, params}: params are strings by name; the page without an address is the list of runs
export function readRoute(hash = waiting ?? location.hash) {
  const [path, query] = cut(hash.replace(/^#\/?/, ""));
  return { page: path || "runs", params: Object.fromEntries(new URLSearchParams(query)) };
}

// "#/page?..." for a link; null of a page that is not in the file, for a link without an address leads nowhere
export function link(page, params = {}) {
  return isThere(page, params) ? hashOf(page, params) : null;
}

// [page, params] of a response; where it is not in the file of its group, which shows it, too; null where neither is
export function responseOf(where, response) {
  const own = { ...where, response };
  if (isThere("response", own)) return ["response", own];
  return isThere("group", where) ? ["group", { ...where, at: response }] : null;
}

// a parameter that is null, undefined, false or "" is left out
function hashOf(page, params) {
  const said = Object.entries(params).filter(([, value]) => value != null && value !== false && value !== "");
  const query = new URLSearchParams(said.map(([name, value]) => [name, value === true ? "1" : String(value)]));
  return `#/${page}${said.length ? `?${readable(query)}` : ""}`;
}

// A list in an address: "a,b". What separates its names may stand in one of them, too.
export function asList(names) {
  return names.map((name) => name.replace(/[%,]/g, encodeURIComponent)).join(",");
}

export function listOf(text) {
  return (text ?? "").split(",").filter(Boolean).map((name) => name.replace(/%(25|2C)/g, decodeURIComponent));
}

// The list with a name, or without it where it was there
export function toggled(names, name) {
  return names.includes(name) ? names.filter((each) => each !== name) : [...names, name];
}

// [from, to] of "from-to"; undefined where it is none
export function rangeOf(text) {
  const [, from, to] = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "") ?? [];
  return from !== undefined && Number(from) <= Number(to) ? [Number(from), Number(to)] : undefined;
}

// How many are to be shown: what an address says, and `least` where it says nothing that will do
export function manyOf(text, least) {
  return /^\d{1,6}$/.test(text ?? "") ? Math.max(least, Number(text)) : least;
}

// replace: the change is a detail (a filter, a sorting) that "back" need not undo
export function go(page, params = {}, replace = false) {
  const hash = hashOf(page, params);
  if (hash === (waiting ?? location.hash)) return;
  if (replace) {
    waiting = hash;
    if (timer === null) {
      write();
      timer = setTimeout(rested, PAUSE);
    }
    dispatchEvent(new Event(CHANGED));
  } else {
    write();
    location.hash = hash;
  }
}

function write() {
  if (waiting !== null) history.replaceState(null, "", waiting);
  waiting = null;
}

function rested() {
  timer = null;
  write();
}

export function useRoute() {
  const [route, setRoute] = useState(() => readRoute());
  useEffect(() => {
    const update = () => setRoute(readRoute());
    const leave = () => {
      waiting = null; // whoever follows a link leaves what was about to be written
      update();
    };
    addEventListener("hashchange", leave);
    addEventListener("pagehide", write);
    addEventListener(CHANGED, update);
    update();
    return () => {
      removeEventListener("hashchange", leave);
      removeEventListener("pagehide", write);
      removeEventListener(CHANGED, update);
    };
  }, []);
  return route;
}

function cut(text) {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

// a run's "/" and a list's "," may stand in a fragment as they are
function readable(query) {
  return query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
}
