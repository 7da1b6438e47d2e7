// How often something occurs, over the steps: the aha moment, if there is one.

import { html, useMemo } from "../parts/html.js";
import { go } from "../parts/route.js";
import { Curve } from "../parts/chart.js";
import { percent, shown } from "../parts/text.js";
import { rise } from "./rise.js";
import { PRESETS } from "./search_form.js";
import { smoothing } from "./smoothing.js";

// Of which responses it is the share: those that the search asks about
function whose({ preset, right }) {
  if (preset === "rewarded-wrong" || right === "0") return "wrong ";
  return right === "1" ? "right " : "";
}

// curve: {step, matched, responses}, of which the search has told
export function Rate({ curve, params }) {
  const series = useMemo(() => {
    const values = curve.matched.map((matched, at) => (curve.responses[at] ? matched / curve.responses[at] : null));
    return [{ name: "share", values }];
  }, [curve]);
  const words = rise(curve.step, curve.matched, curve.responses);
  const preset = PRESETS.find(([each]) => each === params.preset);
  const name = preset ? preset[1] : shown(params.text ?? params.regex);
  const table = () => go("search", { ...params, table: params.table === "1" ? null : "1" }, true);
  const smooth = smoothing(params.smooth, curve.step.at(-1) - curve.step[0] + 1);
  const zoom = ([from, to]) => go("search", { ...params, from, to });
  return html`<section class="section search-rate" aria-label="how often, over the steps">
    <${Curve} title=${`How often: ${name}`} x=${curve.step} series=${series} height=${170} min=${0}
      smooth=${smooth} format=${(value) => percent(value)} axisFormat=${(value) => percent(value, 0)}
      asTable=${params.table === "1"} onTable=${table} onRange=${zoom}
      onStep=${(step) => go("step", { run: params.run, step })}
      note=${`the share of a step's ${whose(params)}responses; mark a stretch to search in it alone`} />
    ${words && html`<p class="finding-line">${words}</p>`}
  </section>`;
}
