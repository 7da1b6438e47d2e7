// How far the policy drifts from where it began, over several updates on the example, with a KL term and without.

import { html, useMemo } from "../parts/html.js";
import { Curve } from "../parts/chart.js";
import { go } from "../parts/route.js";
import { number } from "../parts/text.js";

export function Drift({ seed, asTable }) {
  const { x, series } = useMemo(
    () => ({
      x: seed.held.map((_, at) => at + 1),
      series: [
        { name: "without KL term", values: seed.free, colour: 2 },
        { name: "held by KL", values: seed.held, colour: 1 },
      ],
    }),
    [seed],
  );
  const updates = `each of ${x.length} updates on the same group; ${number(seed.kl)} at first`;
  const note = `KL to the policy before (mean k3), after ${updates}`;
  return html`<div class="seed-held">
    <${Curve} title="How far the policy drifts" x=${x} xName="update" series=${series} height=${150} min=${0}
      note=${note} asTable=${asTable} onTable=${() => go("seed", { table: asTable ? null : "1" }, true)} />
  </div>`;
}
