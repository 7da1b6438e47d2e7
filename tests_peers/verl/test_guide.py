"""docs/from-verl.md: every setting of verl's that it names is one."""

import re
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "from-verl.md").read_text()
SETTING = re.compile(r"`((?:actor_rollout_ref|algorithm|data|reward\.custom_reward_function|trainer)\.[\w.]+)`")


@pytest.mark.usefixtures("compared")
def test_the_settings_of_the_tables_are_verl_s(theirs: set[str]):
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if re.match(r"\| `[a-z_]+\.", line)]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 45 and named <= theirs, sorted(named - theirs)


@pytest.mark.usefixtures("compared")
def test_the_settings_of_the_text_are_verl_s(theirs: set[str]):
    named = set(SETTING.findall(GUIDE))
    assert len(named) > 45 and named <= theirs, sorted(named - theirs)
