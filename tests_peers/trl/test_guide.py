"""docs/from-trl.md: every setting of TRL's that it names is one, and none of GRPO's and SFT's own is left out."""

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from trl import GRPOConfig, SFTConfig

GUIDE = (Path(__file__).parents[2] / "docs" / "from-trl.md").read_text()


def test_the_settings_that_the_guide_names_are_trl_s(compared: Callable[[], None]):
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    known = {field.name for config in (GRPOConfig, SFTConfig) for field in fields(config)}
    assert len(named) > 55 and named <= known
    compared()


@pytest.mark.parametrize(("config", "least"), [(GRPOConfig, 60), (SFTConfig, 20)])
def test_none_of_a_trainer_s_own_settings_is_left_out(compared: Callable[[], None], config: type, least: int):
    own = set(config.__annotations__)
    assert len(own) > least and own <= set(re.findall(r"`([a-z]\w+)[`=]", GUIDE))
    compared()
