// Where the pages' data come from: the server beside them, or, in a file that stands alone, the answers in it.

import { useEffect, useRef } from "./html.js";

const STORED = stored();
const KEPT = 60; // answers that are kept to show at once when one comes back to them
const answers = new Map();

// Whether there is no server: the page is a file, and only what is in it can be shown.
export const isStatic = STORED !== null;

// "/api/run?run=name": the parameters in the order of their names, without those that are not given
export function address(path, params = {}) {
  const said = Object.entries(params).filter(([, value]) => value != null && value !== "" && value !== false);
  const query = new URLSearchParams(said.map(([name, value]) => [name, value === true ? "1" : String(value)]));
  query.sort();
  const full = path.startsWith("/") ? path : `/api/${path}`;
  const text = query.toString();
  return text ? `${full}?${text}` : full;
}

// Whether anything of a kind can be had: with a server everything, from a file what is in it
export function offers(path) {
  return !isStatic || [...STORED.keys()].some((key) => key === path || key.startsWith(`${path}?`));
}

// Whether just this can be had, as far as anybody knows before it is asked for
export function has(path, params = {}) {
  return !isStatic || STORED.has(address(path, params));
}

// The run that a file is of, or null
export function runOfFile() {
  const key = isStatic ? [...STORED.keys()].find((each) => each.startsWith("/api/run?")) : null;
  return key ? new URLSearchParams(key.split("?")[1]).get("run") : null;
}

export function get(path, params = {}, signal = undefined) {
  const key = address(path, params);
  if (isStatic) return answerFromFile(key);
  return ask(key, { signal }).then(async (response) => {
    const answer = await response.json();
    keep(key, answer);
    return answer;
  });
}

// what was answered the last time, or undefined
export function remembered(path, params = {}) {
  const key = address(path, params);
  if (isStatic) return STORED.get(key);
  return answers.get(key);
}

export function send(method, path, params = {}, body = undefined) {
  if (isStatic) return Promise.reject(new Error("this page is a file: nothing can be changed in it"));
  const headers = { "Content-Type": "application/json" };
  const sent = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  return ask(address(path, params), sent).then((response) => (response.status === 204 ? null : response.json()));
}

// A stream of lines of JSON: onLine is called with each as it comes. With a body it is a POST.
export function lines(path, params, body, onLine, signal) {
  return isStatic ? linesFromFile(path, params, onLine) : linesFromServer(path, params, body, onLine, signal);
}

async function linesFromFile(path, params, onLine) {
  const answer = await answerFromFile(address(path, params));
  for (const line of Array.isArray(answer) ? answer : [answer]) onLine(line);
}

async function linesFromServer(path, params, body, onLine, signal) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const sent = body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { signal };
  const response = await ask(address(path, params), sent);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      const parts = (rest + (value ?? "")).split("\n");
      rest = done ? "" : parts.pop();
      for (const part of parts) if (part.trim()) onLine(JSON.parse(part));
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever throws does not want the rest
  }
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: is `groupthink view` still running?");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Error(told?.error ?? `the server answered ${response.status} ${response.statusText}`);
}

function keep(key, answer) {
  answers.delete(key);
  answers.set(key, answer);
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
}

function answerFromFile(key) {
  if (STORED.has(key)) return Promise.resolve(STORED.get(key));
  return Promise.reject(new Error("this is not in the file; `groupthink view` shows it beside the run"));
}

function stored() {
  const element = document.getElementById("groupthink-data");
  if (!element) return null;
  const data = JSON.parse(element.textContent);
  return new Map(Object.entries(data).map(([key, answer]) => [sorted(key), answer]));
}

function sorted(key) {
  const [path, query = ""] = key.split("?");
  return address(path, Object.fromEntries(new URLSearchParams(query)));
}

// Calls onEvent({kind, data}) with what happens to a run (null: to any run) until stop() is called: "step", "event",
// "status", and "again" after a pause, when something may have been missed.
export function follow(run, onEvent) {
  if (isStatic) return () => {};
  let [source, timer, last, failures] = [null, null, null, 0];
  let turn = 0; // grows with each closing: what was begun before it is of no use any more

  const tell = (kind, data) => onEvent({ kind, data });

  const open = () => {
    source = new EventSource(address("/api/live", { run }));
    source.onopen = () => (failures = 0);
    source.addEventListener("reset", () => tell("again", { run }));
    for (const kind of ["step", "event", "status"]) {
      source.addEventListener(kind, (event) => {
        last = event.lastEventId || last;
        tell(kind, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      failures += 1;
      if (source.readyState !== EventSource.CLOSED && failures < 3) return; // it tries again by itself
      close();
      poll(turn);
    };
  };

  const poll = async (mine) => {
    try {
      const found = await ask(address("/api/poll", { run, after: last })).then((response) => response.json());
      if (mine !== turn) return;
      last = found.id ?? last;
      for (const event of found.events) tell(event.kind === "reset" ? "again" : event.kind, event.data);
      failures = 0;
    } catch {
      failures += 1;
    }
    if (mine === turn) timer = setTimeout(() => poll(mine), Math.min(2000 * 2 ** failures, 30000));
  };

  const close = () => {
    turn += 1;
    source?.close();
    source = null;
    clearTimeout(timer);
  };

  // a page that nobody looks at holds no connection: a browser has only six to a server
  const looked = () => {
    close();
    if (document.hidden) return;
    tell("again", { run });
    open();
  };

  document.addEventListener("visibilitychange", looked);
  addEventListener("online", looked); // what was asked for meanwhile has failed
  if (!document.hidden) open();
  return () => {
    document.removeEventListener("visibilitychange", looked);
    removeEventListener("online", looked);
    close();
  };
}

// The same as a hook; run undefined: nothing is followed. Events that come within `pause` milliseconds are told once,
// as a list. At first it is told how the run stands, which a page that has just asked knows already.
export function useFollow(run, onEvents, pause = 1000) {
  const latest = useRef(null);
  latest.current = { onEvents, pause };
  useEffect(() => {
    if (run === undefined) return undefined;
    let [waiting, timer, told] = [[], null, 0];
    const tell = () => {
      timer = null;
      told = Date.now();
      const events = waiting;
      waiting = [];
      latest.current.onEvents(events);
    };
    const stop = follow(run, (event) => {
      waiting.push(event);
      timer ??= setTimeout(tell, Math.max(50, told + latest.current.pause - Date.now()));
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [run]);
}
