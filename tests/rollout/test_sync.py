import pytest
import torch

from groupthink.records import Weights
from groupthink.rollout.sync import expected_of, require_fit, require_same

TENSORS = {"embed": torch.arange(6.0).view(2, 3), "norm": torch.ones(3)}
NAMES = {"embed": "embed", "norm": "norm", "head": "embed"}
RIGHT = expected_of(Weights(3, TENSORS), NAMES)


def test_a_tied_tensor_is_expected_under_each_of_its_names():
    assert RIGHT["head"] == RIGHT["embed"] != RIGHT["norm"] and RIGHT.keys() == NAMES.keys()
    require_same(RIGHT, 3, dict(RIGHT), "3")


@pytest.mark.parametrize(
    "found, version, story",
    [
        (RIGHT, "2", "version 2, and the learner is at version 3: a sync was left out"),
        (RIGHT, "default", "version default, and the learner"),
        (RIGHT | {"head": 1}, "3", r"1 of the 3 tensors that it decodes with are not the learner's: head\."),
        (
            {"embed": RIGHT["embed"], "head": RIGHT["head"]},
            "3",
            "it does not decode with norm, and decodes with nothing",
        ),
        (RIGHT | {"bias": 1}, "3", "decodes with bias, which were not sent"),
    ],
)
def test_what_is_stale_is_said(found: dict[str, int], version: str, story: str):
    with pytest.raises(RuntimeError, match=story):
        require_same(RIGHT, 3, found, version)


def test_weights_of_another_model_are_refused():
    require_fit(TENSORS | {"more": torch.ones(1)}, TENSORS)
    with pytest.raises(ValueError, match=r"missing \['norm'\], of another shape \['embed'\]"):
        require_fit({"embed": torch.ones(4)}, TENSORS)
