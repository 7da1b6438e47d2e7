// Which curves a run's page shows, and which of the figures of metrics.jsonl stand on each.

import { known, number, percent, seconds } from "../parts/text.js";

const SHARE = { format: (value) => percent(value), axisFormat: (value) => percent(value, 0), min: 0 };
const UNSHOWN = /^(step|num_tokens|rewards\/.*\/std)$/;

// lines: [[metric, name]]; first: shown where nobody chose. What a run has no values of is left out.
const CURVES = [
  {
    key: "reward",
    title: "Reward",
    lines: [["reward", "reward"]],
    first: true,
    note: "mean over all responses of a step",
  },
  { key: "parts", title: "Parts of the reward", parts: true, first: true, note: "means, before their weights" },
  { key: "accuracy", title: "Accuracy", evaluations: true, first: true, ...SHARE },
  {
    key: "length",
    title: "Length",
    lines: [
      ["completions/mean_length", "all"],
      ["completions/mean_terminated_length", "not cut"],
    ],
    first: true,
    note: "tokens a response",
  },
  { key: "entropy", title: "Entropy", lines: [["entropy", "entropy"]], first: true, note: "nats a token" },
  { key: "kl", title: "KL to the reference", lines: [["kl", "kl"]], first: true, note: "nats a token, k3" },
  {
    key: "clip",
    title: "Tokens clipped",
    lines: [
      ["clip_ratio/high_mean", "above"],
      ["clip_ratio/low_mean", "below"],
    ],
    first: true,
    ...SHARE,
    note: "by the importance ratio",
  },
  {
    key: "dead",
    title: "Groups without a gradient",
    lines: [
      ["frac_reward_zero_std", "all the same"],
      ["frac_all_right", "all right"],
      ["frac_all_wrong", "all wrong"],
    ],
    first: true,
    ...SHARE,
    max: 1,
    note: "all responses earn the same",
  },
  {
    key: "mismatch",
    title: "Engine against learner",
    lines: [["sampling/sampling_logp_difference/mean", "mean"]],
    first: true,
    note: "nats a token, by which their log-probabilities differ",
  },
  {
    key: "cut",
    title: "Responses cut",
    lines: [
      ["completions/clipped_ratio", "all"],
      ["completions/cut_after_answer", "after an answer"],
    ],
    first: true,
    ...SHARE,
    note: "at the longest length allowed",
  },
  {
    key: "spread",
    title: "Spread of rewards",
    lines: [["reward_std", "within a group"]],
    first: true,
    note: "standard deviation within a group, mean",
  },
  {
    key: "repetition",
    title: "Repetition",
    lines: [["completions/repetition", "repeated"]],
    ...SHARE,
    note: "share of what was written before in the response",
  },
  {
    key: "gradient",
    title: "Length of the gradient",
    lines: [["grad_norm", "before clipping"]],
    first: true,
    note: "before it is clipped",
  },
  { key: "loss", title: "Loss", lines: [["loss", "loss"]] },
  { key: "ratio", title: "Largest importance ratio", lines: [["ratio/max", "ratio"]] },
  {
    key: "largest",
    title: "Largest difference of engine and learner",
    lines: [["sampling/sampling_logp_difference/max", "max"]],
    note: "nats, of one token",
  },
  { key: "rate", title: "Learning rate", lines: [["learning_rate", "rate"]] },
  {
    key: "range",
    title: "Shortest and longest",
    lines: [
      ["completions/min_length", "shortest"],
      ["completions/max_length", "longest"],
    ],
    note: "tokens",
  },
  { key: "time", title: "Seconds a step", times: true, format: (value) => seconds(value), axisFormat: number, min: 0 },
];

// The curves that there are values for: [{key, title, x, series, ...}]
export function curvesOf(run) {
  const listed = CURVES.map((curve) => ({ ...curve, ...drawn(curve, run) }));
  const used = new Set(listed.flatMap((curve) => curve.metrics));
  const others = Object.keys(run.series)
    .filter((metric) => !used.has(metric) && !UNSHOWN.test(metric))
    .map((metric) => ({ key: metric, title: metric, x: run.steps_axis, series: lines(run, [[metric, metric]]) }));
  return [...listed, ...others].filter((curve) => curve.series.length);
}

function drawn(curve, run) {
  if (curve.evaluations) return { ...accuracy(run), metrics: ["rewards/accuracy/mean"] };
  const pairs = curve.parts ? parts(run) : curve.times ? times(run) : curve.lines;
  return { x: run.steps_axis, series: lines(run, pairs), metrics: pairs.map(([metric]) => metric) };
}

function lines(run, pairs) {
  return pairs
    .filter(([metric]) => run.series[metric]?.some(known))
    .map(([metric, name]) => ({ name, values: run.series[metric] }));
}

function parts(run) {
  const names = Object.keys(run.series).flatMap((metric) => /^rewards\/(.*)\/mean$/.exec(metric)?.[1] ?? []);
  return names.map((name) => [`rewards/${name}/mean`, name]);
}

function times(run) {
  const metrics = Object.keys(run.series).filter((metric) => metric.startsWith("time/"));
  return metrics.map((metric) => [metric, metric.slice(5)]);
}

// held out, with its interval, at the steps that were evaluated; in training at all the others
function accuracy(run) {
  const measured = new Map(run.evaluations.filter((one) => known(one["pass@1"])).map((one) => [one.step, one]));
  const training = run.series["rewards/accuracy/mean"] ?? [];
  const at = new Map(run.steps_axis.map((step, place) => [step, training[place] ?? null]));
  const x = [...new Set([...measured.keys(), ...run.steps_axis])].sort((a, b) => a - b);
  const of = (name) => x.map((step) => measured.get(step)?.[name] ?? null);
  const heldOut = {
    name: "held out",
    values: of("pass@1"),
    low: of("pass@1_low"),
    high: of("pass@1_high"),
    points: true,
    colour: 1,
  };
  const inTraining = { name: "in training", values: x.map((step) => at.get(step) ?? null), colour: 7 };
  return { x, series: [...(measured.size ? [heldOut] : []), ...(training.some(known) ? [inTraining] : [])] };
}
