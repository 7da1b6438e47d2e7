import pytest

from groupthink.stage.sample.filters import FILTERS, first_reason
from groupthink.stage.settings import SampleSettings
from tests.stage.sample.planted import FAULTS, GOOD, candidate

STRICT = SampleSettings(script="latin", shortest=30, longest=400, paragraph=200)


def test_a_chain_without_a_fault_passes_every_filter():
    assert first_reason(candidate(), STRICT) is None


def test_every_filter_has_a_fault_of_its_own():
    assert list(FAULTS) == [drops.__name__ for drops in FILTERS]


@pytest.mark.parametrize("name", FAULTS)
def test_the_planted_fault_is_found_by_its_filter_and_by_no_earlier_one(name):
    assert first_reason(candidate(**FAULTS[name]), STRICT) == name


@pytest.mark.parametrize("name", ["mixed", "short", "long", "paragraph", "repetitive", "code"])
def test_a_filter_that_is_off_finds_nothing(name):
    off = SampleSettings(repeated=1.0, paragraph=0, code_blocks=True)
    assert first_reason(candidate(**FAULTS[name]), off) is None


def test_a_response_of_several_faults_counts_under_the_first():
    assert first_reason(candidate(f"{GOOD}<think>", right=0.0, finish="length"), STRICT) == "wrong"
    assert first_reason(candidate(f"{GOOD}<think>", finish="length"), STRICT) == "unfinished"


def test_bounds_are_inside():
    tokens = len(GOOD) + 1
    assert first_reason(candidate(), SampleSettings(shortest=tokens, longest=tokens)) is None
    assert first_reason(candidate(), SampleSettings(shortest=tokens + 1)) == "short"
    assert first_reason(candidate(), SampleSettings(longest=tokens - 1)) == "long"
    longest = max(map(len, GOOD.removeprefix("<think>").removesuffix("</think>12").splitlines()))
    assert first_reason(candidate(), SampleSettings(paragraph=longest)) is None
    assert first_reason(candidate(), SampleSettings(paragraph=longest - 1)) == "paragraph"


def test_some_words_of_another_script_may_be_let_pass():
    mixed = candidate(**FAULTS["mixed"])
    assert first_reason(mixed, SampleSettings(script="latin", in_script=0.5)) is None
    assert first_reason(mixed, SampleSettings(script="chinese", in_script=0.5)) == "mixed"


def test_programs_are_right_by_their_tests():
    assert first_reason(candidate(parts={"accuracy": None, "code": 1.0}), STRICT) is None
    assert first_reason(candidate(parts={"accuracy": None, "code": 0.5}), STRICT) == "wrong"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"problems": 0}, "sample.problems must be at least 1"),
        ({"keep": -1}, "sample.keep must be 0 or more"),
        ({"similar": 1.5}, "sample.similar must lie in 0 to 1"),
        ({"shortest": 5, "longest": 4}, "nothing is kept"),
        ({"script": "latn"}, "did you mean latin"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        SampleSettings(**wrong)
