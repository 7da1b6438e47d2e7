"""docs/from-trl.md: every setting of TRL's that it names is one, and none of GRPO's own is left out."""

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from trl import GRPOConfig

GUIDE = (Path(__file__).parents[2] / "docs" / "from-trl.md").read_text()


def test_the_settings_that_the_guide_names_are_trl_s(compared: Callable[[], None]):
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 55 and named <= {field.name for field in fields(GRPOConfig)}
    compared()


def test_none_of_grpo_s_own_settings_is_left_out(compared: Callable[[], None]):
    own = set(GRPOConfig.__annotations__)
    assert len(own) > 60 and own <= set(re.findall(r"`(\w+)`", GUIDE))
    compared()
