import subprocess
import sys

import pytest

from groupthink.policy.objective.settings import ObjectiveSettings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "gpro"}, "objective.name is 'gpro': did you mean grpo"),
        ({"surrogate": "clamp"}, "objective.surrogate is 'clamp': choose one of clip, .* or FILE.py:FUNCTION"),
        ({"ratio": "response"}, "objective.ratio is 'response': choose one of token, sequence"),
        ({"reduction": "mean"}, "objective.reduction is 'mean': choose one of sequence_mean"),
        ({"kl_estimator": "k4"}, "objective.kl_estimator is 'k4': choose one of k1"),
        ({"kl_place": "prior"}, "objective.kl_place is 'prior': choose one of loss, reward, to_go"),
        ({"correction": "clip"}, "objective.correction is 'clip': choose one of none"),
        ({"focus": "some"}, "objective.focus is 'some': choose one of all"),
        ({"overlong": "cut"}, "objective.overlong is 'cut': choose one of kept, masked"),
        ({"kl": -0.1}, "objective.kl is -0.1: set it to at least 0"),
        ({"clip_low": -1.0}, "objective.clip_low is -1.0: set it to at least 0"),
        ({"entropy_step": -1.0}, "objective.entropy_step is -1.0: set it to at least 0"),
        ({"sapo_positive": 0.0}, "objective.sapo_positive is 0.0: set it above 0"),
        ({"overlong_share": 1.5}, "objective.overlong_share is 1.5: set it between 0 and 1"),
        ({"focus_share": 0.0}, "objective.focus_share is 0.0: set it above 0 and up to 1"),
        ({"correction_high": 0.5}, "objective.correction_high is 0.5: set it above correction_low"),
        ({"focus_high": 1.0}, "objective.focus_high is 1.0: set it above focus_low"),
        ({"ceiling": 1.1}, r"objective.ceiling is 1.1: set it above 1 \+ clip_high = 1.2"),
        ({"dual_clip": 1.0}, "objective.dual_clip is 1.0: set it above 1"),
        ({"surrogate": "gmpo", "ratio": "sequence"}, "objective.ratio is 'sequence': gmpo makes the ratio"),
        ({"surrogate": "vespo", "correction": "mask_sequence"}, "objective.correction is 'mask_sequence': vespo"),
        ({"kl_place": "reward", "kl_estimator": "k3_unbiased"}, "objective.kl_estimator is 'k3_unbiased': its gain"),
        ({"kl_place": "to_go", "kl_estimator": "k3_unbiased"}, "objective.kl_estimator is 'k3_unbiased': its gain"),
        ({"kl_place": "to_go", "ratio": "sequence"}, "objective.kl_place is 'to_go': the ratio is a response's"),
        ({"kl_place": "to_go", "surrogate": "gmpo"}, "objective.kl_place is 'to_go': the ratio is a response's"),
        ({"focus": "clip_cov"}, "objective.focus_share is 0.2: clip_cov picks a sliver"),
    ],
)
def test_what_is_not_sensible_is_refused_with_a_cure(given, said):
    with pytest.raises(ValueError, match=said):
        ObjectiveSettings(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"surrogate": "cispo", "dual_clip": 3.0}, "dual_clip is 3.0: cispo does not look at it"),
        ({"surrogate": "sapo", "ceiling": 3.0}, "ceiling is 3.0: sapo does not look at it"),
        ({"kl": 0.0, "reference_every": 400}, "reference_every is 400: there is no reference where kl is 0"),
        ({"reference_mixing": 0.01}, "reference_mixing is 0.01: how often the reference moves"),
    ],
)
def test_what_would_do_nothing_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ObjectiveSettings(**given)


def test_a_row_is_taken_whole_and_changes_go_before_it():
    dapo = ObjectiveSettings.of_row("dapo", kl=0.1)
    assert (dapo.name, dapo.clip_high, dapo.reduction, dapo.kl) == ("dapo", 0.28, "token_mean", 0.1)
    assert ObjectiveSettings.of_row("grpo") == ObjectiveSettings()
    with pytest.raises(ValueError, match=r"objective\.name is 'gpro': did you mean grpo"):
        ObjectiveSettings.of_row("gpro")


def test_what_is_unusual_is_allowed():
    ObjectiveSettings(clip_low=10.0, clip_high=10.0)  # R1's
    ObjectiveSettings(ceiling=4.0, dual_clip=3.0)
    ObjectiveSettings(focus="kl_cov", focus_share=2e-4)
    ObjectiveSettings(surrogate="mine.py:loss")
    ObjectiveSettings(kl_place="to_go", ratio="sequence_token")
    ObjectiveSettings(kl_place="to_go", ratio="sequence", kl=0.0)


def test_settings_are_read_without_torch():
    code = "import sys; from groupthink.policy.objective.settings import ObjectiveSettings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy"} & set(loaded)
