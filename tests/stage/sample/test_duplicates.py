import random

import pytest

from groupthink.stage.sample.duplicates import Neighbours, fingerprint, overlap


def text(draw: random.Random, words: int = 80) -> list[str]:
    return ["".join(draw.choices("abcdefghij", k=5)) for _ in range(words)]


def exact(one: str, other: str) -> float:
    first, second = ({some[i : i + 8] for i in range(len(some) - 7)} for some in (one, other))
    return len(first & second) / len(first | second)


def test_the_overlap_is_the_share_of_common_runs_of_characters():
    one, other = "so 3*4=12 pens in all", "so 3*4=12 pens, or not"
    assert overlap(fingerprint(one), fingerprint(other)) == pytest.approx(exact(one, other))
    assert overlap(fingerprint(one), fingerprint(one)) == 1
    assert overlap(fingerprint("12"), fingerprint("12")) == 1
    assert overlap(fingerprint("12"), fingerprint("13")) == 0


def test_pairs_beyond_the_bound_are_found_and_no_others():
    draw = random.Random(0)
    found = {True: 0, False: 0}
    for _ in range(300):
        words = text(draw)
        changed = list(words)
        for place in draw.sample(range(len(words)), draw.randrange(1, 12)):
            changed[place] = "zzzzz"
        one, other = " ".join(words), " ".join(changed)
        seen = Neighbours(0.8)
        seen.add(fingerprint(one))
        near = exact(one, other) >= 0.8
        found[near] += 1
        assert seen.near(fingerprint(other)) == near
    assert min(found.values()) > 50


def test_many_texts_are_told_apart():
    draw = random.Random(1)
    texts = [" ".join(text(draw)) for _ in range(200)]
    seen = Neighbours(0.8)
    for one in texts:
        assert not seen.near(fingerprint(one))
        seen.add(fingerprint(one))
    assert all(seen.near(fingerprint(one + ".")) for one in texts)


def test_without_a_bound_nothing_is_near():
    seen = Neighbours(0.0)
    seen.add(fingerprint("the same"))
    assert not seen.near(fingerprint("the same"))
