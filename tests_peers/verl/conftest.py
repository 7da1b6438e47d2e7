"""verl's own files, which are read and not run: the package alone, without what it needs."""

from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

VERL = distribution("verl")


def settings_of(tree: dict, above: str = "") -> set[str]:
    """The names of all settings, those of inner tables with dots; tables are names, too."""
    names = set()
    for key, value in tree.items():
        names.add(f"{above}{key}")
        if isinstance(value, dict):
            names |= settings_of(value, f"{above}{key}.")
    return names


@pytest.fixture(scope="session")
def theirs() -> set[str]:
    """The settings of `ppo_trainer`, which verl writes out into one file."""
    path = Path(str(VERL.locate_file("verl/trainer/config/_generated_ppo_trainer.yaml")))
    return settings_of(yaml.safe_load(path.read_text()))


@pytest.fixture
def compared(count) -> None:
    count[f"verl {VERL.version}"] += 1
