"""Seconds a step against engines, for a cluster that is described by its rates."""

import argparse
import json
import random
from pathlib import Path
from typing import Any

from groupthink.insight.plan.cluster.rates import Drawing, Layout, Learning, Rates, Sending, draw_lengths
from groupthink.insight.plan.cluster.rehearsed import PUT, TAKE
from groupthink.insight.plan.cluster.verdict import Cluster

RESULTS = Path(__file__).parent / "results"
PARAMETERS = 1_720_574_976  # of Qwen3-1.7B, of which an update was measured
DECODED = 595_776_512  # of Qwen3-0.6B without the second copy of its embeddings, which was decoded
ENGINES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
STEPS = 4
MANY = 64
"""Engines, from which on it is looked at whether it is weights that they wait for."""


def add_curve(parser: argparse.ArgumentParser) -> None:
    drawing, token = measured()
    group = parser.add_argument_group("a cluster that is described (--curve)")
    group.add_argument(
        "--curve", action="store_true", help="simulate steps for up to 1,000 engines; nothing is measured"
    )
    group.add_argument("--learners", type=int, nargs="+", default=[8, 32, 128])
    group.add_argument("--step-seconds", type=float, default=drawing.step, help="of an engine, for weights to be read")
    group.add_argument("--row-seconds", type=float, default=drawing.row, help="of an engine, for a row's token")
    group.add_argument("--token-seconds", type=float, default=token, help="of a learner, for a token")
    group.add_argument("--parameters", type=float, default=PARAMETERS, help="of the model, two bytes each")
    group.add_argument("--bandwidth", type=float, default=5e10, help="bytes a second of a learner to the others")
    group.add_argument("--network", type=float, default=1.25e10, help="bytes a second between machines")
    group.add_argument("--gpus", type=int, default=8, help="of a machine")
    group.add_argument("--curve-problems", type=int, default=512)
    group.add_argument("--curve-group-size", type=int, default=16)
    group.add_argument("--mean-tokens", type=int, default=1000, help="of a response; exponentially distributed")
    group.add_argument("--most-tokens", type=int, default=4096)
    group.add_argument("--curve-lag", type=int, default=1)


def measured() -> tuple[Drawing, float]:
    """What was measured on one H200, for a model of 1.7 billion parameters in bfloat16: an engine and a learner.

    Decoding was measured of Qwen3's 0.6 billion, whose keys and values are as large: a token's time is that of reading
    the weights, at the share of the memory's rate that was reached, and that of the rows.
    """
    decode, mfu = (json.loads((RESULTS / name).read_text()) for name in ("decode.json", "mfu.json"))
    of, rows = decode["details"], decode["details"]["sequences"]
    rate = of["copied_terabytes_per_second"] * 1e12 * decode["qwen3-0.6b"]["limit_fraction"]
    whole = rows / decode["qwen3-0.6b"]["tokens_per_second"]
    row = (whole - 2 * DECODED / rate) / rows
    seconds = sorted(mfu["details"]["seconds"][1:])
    tokens = mfu["details"]["response_tokens"] + mfu["details"]["prompt_tokens"]
    return Drawing(2 * PARAMETERS / rate, row, most=rows), seconds[len(seconds) // 2] / tokens


def curve(options: argparse.Namespace) -> dict[str, Any]:
    weights = 2.0 * options.parameters
    rates = Rates(
        drawing=Drawing(options.step_seconds, options.row_seconds),
        learning=Learning(
            token=options.token_seconds,
            fixed=0.1,
            weights=weights,
            gradients=2 * weights,
            looks=2,
            micro_batch_tokens=8192,
            bandwidth=options.bandwidth,
        ),
        sending=Sending(put=weights / PUT, fetch=weights / options.network, take=weights / TAKE),
        prompt=128.0,
    )
    chance = random.Random(0)
    seen = [min(options.most_tokens, 1 + int(chance.expovariate(1 / options.mean_tokens))) for _ in range(1000)]
    lag = options.curve_lag
    steps = draw_lengths(seen, options.curve_problems, options.curve_group_size, STEPS + 2 * lag, seed=0)
    found: dict[str, Any] = {"seconds": {}, "limits": {}}
    lines = ["engines  learners     a step  learning is  limit"]
    for learners in options.learners:
        for engines in ENGINES:
            machines = -(-(engines + learners) // options.gpus)
            layout = Layout(engines, learners, lag, machines=(float("inf"),) * machines)
            its = Cluster(rates, layout, steps)
            course = its.course()
            learning, limit = course.share("learn"), limit_of(its)
            key = f"engines={engines} learners={learners}"
            found["seconds"][key], found["limits"][key] = round(course.seconds, 2), limit
            lines.append(f"{engines:>7}  {learners:>8}  {course.seconds:>7.1f} s  {learning:>11.0%}  {limit}")
    described = {name: value for name, value in vars(options).items() if isinstance(value, int | float | list)}
    return {**found, "table": lines, "details": described}


def limit_of(its: Cluster) -> str:
    """What a step would be shorter by more of."""
    learning = its.course().share("learn")
    if learning > 0.9:
        return "learners"
    if its.layout.engines >= MANY and its.waits_for_weights():
        return "weights on their way"
    return "engines and learners" if learning > 0.5 else "engines"
