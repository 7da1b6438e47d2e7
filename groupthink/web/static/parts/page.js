// What every page stands in: the head of the house, a title, the data that it waits for, and what it says when they
// fail.

import { html, useState, useEffect, useRef, Component } from "./html.js";
import { get, remembered, address } from "./api.js";
import { Masthead } from "./masthead.js";
import { shown } from "./text.js";

// crumbs: [{text, href}], from the outermost on. title: a text, also of the window. aside: what stands beside the
// title.
export function Page({ title, crumbs = [], aside = null, children }) {
  useEffect(() => {
    document.title = [title, ...crumbs.map((crumb) => crumb.text).reverse(), "groupthink"].join(" · ");
  }, [title, crumbs.map((crumb) => crumb.text).join("\n")]);
  return html`<div class="page">
    <a class="skip" href="#main" onClick=${skip}>To the content</a>
    <${Masthead} />
    <main id="main" tabindex="-1">
      <div class="page-head">
        ${crumbs.length
          ? html`<nav class="crumbs" aria-label="where this is"><ol>
              ${crumbs.map((crumb) => html`<li key=${crumb.text}><a href=${crumb.href}>${shown(crumb.text)}</a></li>`)}
            </ol></nav>`
          : null}
        <div class="page-title"><h1>${shown(title)}</h1>${aside}</div>
      </div>
      ${children}
    </main>
  </div>`;
}

// "#main" would be taken for a page's address
function skip(event) {
  event.preventDefault();
  const main = document.getElementById("main");
  main.focus();
  main.scrollIntoView();
}

export function Loading({ what = "Loading" }) {
  return html`<p class="loading" role="status">${what}…</p>`;
}

export function Failed({ error }) {
  return html`<div class="failed" role="alert"><span
    aria-hidden="true">✗</span><p>${shown(error?.message ?? error)}</p></div>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

// {data, error, loading, reload}: data stay while they are asked for again (reloadKey, reload()), so that nothing
// flickers; of other parameters they are what was answered the last time, or null. path null: nothing is asked for.
export function useData(path, params = {}, reloadKey = 0) {
  const key = path === null ? null : address(path, params);
  const [state, setState] = useState({});
  const [again, setAgain] = useState(0);
  const turn = `${reloadKey} ${again}`;
  const [asking, asked] = [useRef(null), useRef(turn)];
  useEffect(() => {
    if (key === null) return undefined;
    asked.current = turn;
    asking.current = asker(path, params, (one) => setState({ key, ...one }));
    return () => asking.current.end();
  }, [key]);
  useEffect(() => {
    if (key !== null && asked.current !== turn) asking.current.ask();
    asked.current = turn;
  }, [turn]);
  const mine = state.key === key;
  const data = (mine ? state.data : undefined) ?? (key === null ? null : remembered(path, params)) ?? null;
  const error = mine ? state.error ?? null : null;
  return { data, error, loading: key !== null && !mine, reload: () => setAgain((count) => count + 1) };
}

// The same for several at once: [{data, error}], in the order of `all`, a list of parameters
export function useAll(path, all, reloadKey = 0) {
  const keys = all.map((params) => address(path, params));
  const [found, setFound] = useState({});
  const [asking, asked] = [useRef(new Map()), useRef(reloadKey)];
  useEffect(() => {
    const before = asking.current;
    const put = (key) => (one) => setFound((others) => ({ ...others, [key]: one }));
    asking.current = new Map(keys.map((key, at) => [key, before.get(key) ?? asker(path, all[at], put(key))]));
    for (const [key, one] of before) if (!asking.current.has(key)) one.end();
  }, [keys.join("\n")]);
  useEffect(() => {
    if (asked.current !== reloadKey) for (const one of asking.current.values()) one.ask();
    asked.current = reloadKey;
  }, [reloadKey]);
  useEffect(() => () => asking.current.forEach((one) => one.end()), []);
  return all.map((params, at) => found[keys[at]] ?? { data: remembered(path, params) ?? null });
}

// Asks at once, and when ask() is called: while an answer is on its way, once more after it. put({data} or {error})
function asker(path, params, put) {
  const abort = new AbortController();
  let [busy, wanted] = [false, false];
  const ask = async () => {
    wanted = busy;
    if (busy) return;
    busy = true;
    const one = await get(path, params, abort.signal).then((data) => ({ data }), (error) => ({ error }));
    busy = false;
    if (abort.signal.aborted) return;
    put(one);
    if (wanted) ask();
  };
  ask();
  return { ask, end: () => abort.abort() };
}

// The page for data: what failed, what is waited for, or what `children` makes of them
export function Waited({ found, what, children }) {
  if (found.error && !found.data) return html`<${Failed} error=${found.error} />`;
  if (!found.data) return html`<${Loading} what=${what} />`;
  return html`${found.error ? html`<${Failed} error=${found.error} />` : null}${children(found.data)}`;
}

// A page that throws says so in its place; another address begins anew
export class Guard extends Component {
  constructor() {
    super();
    this.state = { error: null, of: null };
  }

  componentDidCatch(error) {
    this.setState({ error, of: this.props.of });
  }

  render({ children, of }, { error, of: failed }) {
    if (!error || of !== failed) return children;
    return html`<${Page} title="This page failed"><${Failed} error=${error} /></${Page}>`;
  }
}
