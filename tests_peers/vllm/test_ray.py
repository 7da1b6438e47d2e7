"""vLLM's own processes behind engines of a cluster: each actor has one, and its weights are replaced in place."""

from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from groupthink.run.metrics import read_metrics
from tests_peers.vllm.test_stage import run_it

STEPS = 20


@pytest.mark.timeout(600)
def test_twenty_steps_are_drawn_by_two_vllms_on_a_cluster(tmp_path: Path):
    """Each step by the weights of its own version, which engine and learner find alike."""
    run = run_it(tmp_path / "run", f"steps={STEPS}", "scale.engines=2", "scale.prompts=2", "checkpoint_every=20")
    lines = read_metrics(run.path / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(STEPS))
    assert max(line["sampling/sampling_logp_difference/max"] for line in lines) < 5e-5
    assert all(line["time/sync"] > 0 for line in lines)
    for step in range(STEPS):
        table = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet")
        assert {version for row in table["version"].to_pylist() for version in row} == {step}
