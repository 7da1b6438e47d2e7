"""Faults are planted, and each is counted once, under the reason that is meant."""

from dataclasses import replace

from groupthink.stage.sample.choice import REASONS, choose
from groupthink.stage.settings import SampleSettings
from tests.stage.sample.planted import FAULTS, GOOD, PROBLEM, candidate

STRICT = SampleSettings(script="latin", shortest=30, longest=400, paragraph=200, keep=2)
OTHERS = (
    "<think>Four and four are eight, with four more that makes twelve.\nNothing was taken away.</think>12",
    "<think>I count by the dozen, and a dozen it is: 12 of them lie there.</think>12",
)


def test_each_planted_fault_is_counted_under_its_reason():
    held_out = replace(PROBLEM, id="own/train/1", prompt="Of how many eggs is a dozen?")
    again = replace(PROBLEM, id="own/train/2", prompt=f"{PROBLEM.prompt} ")
    by_problem = [
        [
            *(candidate(**FAULTS[name]) for name in FAULTS),
            candidate(FAULTS["wrong"]["text"], right=0.0),  # one fault is planted twice
            candidate(GOOD),
            candidate(GOOD.replace("boxes", "cases"), seed=8),  # nearly the same
            candidate(OTHERS[0]),
            candidate(OTHERS[1]),
        ],
        [candidate(GOOD, problem=held_out)],
        [candidate(GOOD, problem=again)],  # the same under another id
    ]
    chosen = choose(by_problem, STRICT, contaminated={held_out.id})
    expected = dict.fromkeys(FAULTS, 1) | {"wrong": 2, "contaminated": 1, "duplicate": 2, "surplus": 1}
    assert chosen.dropped == expected and list(chosen.dropped) == list(REASONS)
    assert len(chosen.kept) == 2
    assert chosen.sampled == sum(map(len, by_problem)) == 2 + sum(expected.values())
    assert chosen.right == chosen.sampled - 3
    assert chosen.tokens == sum(one.tokens for some in by_problem for one in some)


def test_the_best_of_a_problem_are_kept_whatever_the_order_in_which_they_come():
    some = [candidate(OTHERS[0]), candidate(GOOD, reward=1.5), candidate(OTHERS[1])]
    settings = SampleSettings(keep=2)
    texts = [one.text for one in choose([some], settings).kept]
    assert texts == [GOOD, min(OTHERS, key=len)]  # the higher score, then the shorter
    assert [one.text for one in choose([some[::-1]], settings).kept] == texts
    assert [one.seed for one in choose([[candidate(seed=9), candidate(seed=4)]], settings).kept] == [4]


def test_what_is_surplus_stands_in_nobody_s_way():
    other = replace(PROBLEM, id="own/train/1")
    chosen = choose([[candidate(reward=2.0), candidate(OTHERS[0])], [candidate(OTHERS[0], problem=other)]], STRICT)
    assert len(chosen.kept) == 3 - chosen.dropped["duplicate"] == 2
    chosen = choose(
        [[candidate(reward=2.0), candidate(OTHERS[0])], [candidate(OTHERS[0], problem=other)]], replace(STRICT, keep=1)
    )
    assert chosen.dropped["surplus"] == 1 and [one.problem.id for one in chosen.kept] == [PROBLEM.id, other.id]
