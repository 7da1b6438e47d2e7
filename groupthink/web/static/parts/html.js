// The view library: markup as tagged templates. A value in a template becomes a text node, never markup.

import { html as tagged, render as draw, Component as Base, createContext as context } from "../vendor/htm-preact.js";
import { useState as state, useEffect as effect, useLayoutEffect as layout } from "../vendor/htm-preact.js";
import { useRef as ref, useMemo as memo, useCallback as callback, useContext as within } from "../vendor/htm-preact.js";

export const html = tagged;
export const render = draw;
export const Component = Base;
export const createContext = context;
export const useState = state;
export const useEffect = effect;
export const useLayoutEffect = layout;
export const useRef = ref;
export const useMemo = memo;
export const useCallback = callback;
export const useContext = within;

// class names, without those that are false
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
