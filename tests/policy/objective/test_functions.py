import pytest
import torch

from groupthink.policy.objective.functions import find_surrogate
from groupthink.policy.objective.loss import reach_of, token_losses
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.surrogates import clip
from tests.policy.objective.worked import column, worked_tokens

MINE = """
from groupthink.policy.objective.ratio import token_ratio

def squared(tokens, settings):
    return -token_ratio(tokens) ** 2 * tokens.advantages_M * settings.clip_high

def one(tokens, settings):
    return tokens.advantages_M.sum()
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return lambda function: f"{tmp_path / 'mine.py'}:{function}"


def test_a_surrogate_of_the_users_takes_the_place_of_the_clip(mine):
    settings = ObjectiveSettings(surrogate=mine("squared"), clip_high=0.5, kl=0.0)
    found = token_losses(worked_tokens(settings), settings)
    torch.testing.assert_close(found.losses_M[:2], -0.5 * column(0.25, 1.21))
    assert not (found.low_M | found.high_M).any()
    assert reach_of(settings) == "pack"  # it may look at what it likes


def test_its_own_surrogates_are_found_by_name():
    assert find_surrogate("clip") is clip


def test_what_is_wrong_with_it_is_said(mine, tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*yours\.py"):
        find_surrogate(f"{tmp_path / 'yours.py'}:loss")
    with pytest.raises(ValueError, match=r"no function or class 'cubed' in .*mine\.py"):
        find_surrogate(mine("cubed"))
    settings = ObjectiveSettings(surrogate=mine("one"))
    with pytest.raises(ValueError, match=r"gave shape \(\) for 8 tokens: return a tensor with a loss for each"):
        token_losses(worked_tokens(settings), settings)


def test_two_files_of_one_name_do_not_stand_in_for_each_other(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"def f(tokens, settings):\n    return {folder!r}\n")
    tokens = worked_tokens(ObjectiveSettings())
    for folder in ("a", "b"):
        assert find_surrogate(f"{tmp_path / folder / 'mine.py'}:f")(tokens, ObjectiveSettings()) == folder
