// Keys that a page listens to, when nobody is writing in a field.

import { useEffect, useRef } from "./html.js";

const WRITING = "input, textarea, select, [contenteditable]";

// {key: action}, by KeyboardEvent.key; an action that returns false leaves the key to the browser
export function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest?.(WRITING) || document.querySelector("dialog[open]")) return;
      const action = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : null;
      if (action && action(event) !== false) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
