// The view library: markup as tagged templates. A value in a template becomes a text node, never markup.

import { html as tagged, render as draw, Component as Base } from "../vendor/htm-preact.js";
import { useState as state, useEffect as effect, useLayoutEffect as layout } from "../vendor/htm-preact.js";
import { useRef as ref, useMemo as memo } from "../vendor/htm-preact.js";

export const html = tagged;
export const render = draw;
export const Component = Base;
export const useState = state;
export const useEffect = effect;
export const useLayoutEffect = layout;
export const useRef = ref;
export const useMemo = memo;

// class names, without those that are false
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
