"""Numbers are float64: what is left of a difference is then a difference of formulas."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
import trl


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def compared(count: Counter[str]) -> Callable[[], None]:
    """To be called when a case has been compared."""

    def note() -> None:
        count[f"TRL {trl.__version__}"] += 1

    return note


def pytest_configure(config: pytest.Config) -> None:
    # TRL and transformers speak to each other by old names.
    config.addinivalue_line("filterwarnings", "ignore:.*gradient_checkpointing.*:FutureWarning")
