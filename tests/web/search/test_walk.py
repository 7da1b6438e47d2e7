"""Search against a plain scan of the same responses by Python's own regular expressions."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from groupthink.repetition import repeated
from groupthink.web.reading import index
from groupthink.web.reading.index import warm
from groupthink.web.reading.rows import recorded_steps
from groupthink.web.search import scanning
from groupthink.web.search import walk as searching
from groupthink.web.search.patterns import REFLECTION, first_found, literal
from groupthink.web.search.query import Query, read_query
from groupthink.web.search.walk import search
from tests.web.made import begin_run, made_run, row, rows_of, write_step

STEPS = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("runs") / "r", STEPS)


def found(run, **params):
    """The hits and the end of a search."""
    lines = list(search(run, read_query(params)))
    assert all(set(line) & {"hit", "progress"} for line in lines[:-1])
    return [line["hit"] for line in lines if "hit" in line], lines[-1]


def scanned(run, matches, steps=range(STEPS)):
    """What a plain scan finds, newest step first: (step, group, response), and how many in each step."""
    hits, counts = [], {}
    for step in sorted(steps, reverse=True):
        group = -1
        for one in rows_of(run, step):
            group += one["response"] == 0
            if matches(one):
                hits.append((step, group, one["response"]))
        counts[step] = sum(hit[0] == step for hit in hits)
    return hits, counts


def places(hits):
    return [(hit["step"], hit["group"], hit["response"]) for hit in hits]


def right(one):
    accuracy = one["parts"]["accuracy"]
    return None if accuracy is None else accuracy == 1


@pytest.mark.parametrize(
    "params, pattern, flags",
    [
        ({"text": "wait"}, "wait", re.I),
        ({"text": "Actually", "case": "1"}, "Actually", 0),
        ({"text": "actually", "case": "1"}, "actually", 0),
        ({"text": "(x-2)"}, r"\(x-2\)", 0),
        ({"text": "é²"}, "é²", 0),
        ({"text": "\n"}, "\n", 0),
        ({"regex": r"\d+\*\d+=\d+"}, r"\d+\*\d+=\d+", 0),
        ({"regex": "no|HMM"}, "no|hmm", re.I),
        ({"regex": "q*"}, "q*", 0),
        ({"preset": "reflection"}, REFLECTION, re.I),
    ],
)
def test_patterns_find_what_a_plain_scan_finds(run, params, pattern, flags):
    hits, end = found(run, **params, limit="1000")
    expected, counts = scanned(run, lambda one: re.search(pattern, one["text"], flags))
    assert places(hits) == expected
    assert end["curve"]["step"] == list(range(STEPS)) and end["curve"]["responses"] == [12] * STEPS
    assert end["curve"]["matched"] == [counts[step] for step in range(STEPS)]
    assert end["hits"] == end["shown"] == len(expected) and end["stopped"] is None
    rows = {step: rows_of(run, step) for step in range(STEPS)}
    for hit in hits:
        one = rows[hit["step"]][4 * hit["group"] + hit["response"]]
        match = re.search(pattern, one["text"], flags)
        assert hit["match"] == match[0]
        assert one["text"][: match.start()].endswith(hit["before"]) and len(hit["before"]) <= 80
        assert one["text"][match.end() :].startswith(hit["after"])
        assert (hit["reward"], hit["problem"], hit["right"]) == (one["reward"], one["problem"], right(one))
        assert hit["length"] == sum(one["sampled"])


def test_right_or_wrong_from_one_step_to_another_and_the_oldest_first(run):
    for asked, wanted in (("1", True), ("0", False)):
        hits, end = found(run, text="x", right=asked, **{"from": "3", "to": "5"}, sort="oldest", limit="1000")
        expected, _ = scanned(run, lambda one: "x" in one["text"] and right(one) is wanted, range(3, 6))  # noqa: B023
        assert places(hits) == sorted(expected) and end["curve"]["step"] == [3, 4, 5]
        _, of = scanned(run, lambda one: right(one) is wanted, range(3, 6))  # noqa: B023
        assert end["curve"]["responses"] == [of[step] for step in (3, 4, 5)]


def test_more_hits_than_are_shown_are_counted(run):
    every, _ = found(run, text="o", limit="1000")
    hits, end = found(run, text="o", limit="7")
    assert hits == every[:7] and end["hits"] == len(every) > end["shown"] == 7 and end["stopped"] == "limit"


def test_presets_that_ask_for_the_most(run):
    everything = {(step, *divmod(n, 4)): one for step in range(STEPS) for n, one in enumerate(rows_of(run, step))}
    hits, end = found(run, preset="longest", limit="10")
    lengths = sorted((len(one["sampled"]) for one in everything.values()), reverse=True)
    assert [hit["length"] for hit in hits] == lengths[:10] and end["hits"] == 10 == sum(end["curve"]["matched"])
    assert all(hit["match"] == "" and everything[place]["text"].startswith(hit["after"])
               for hit, place in zip(hits, places(hits), strict=True))  # fmt: skip

    hits, end = found(run, preset="rewarded-wrong", limit="1000")
    wrong = {place: one for place, one in everything.items() if right(one) is False and one["reward"] > 0}
    assert set(places(hits)) == set(wrong) and end["hits"] == len(wrong)
    assert [hit["reward"] for hit in hits] == sorted((one["reward"] for one in wrong.values()), reverse=True)
    steps = [hit["step"] for hit in hits if hit["reward"] == 1.0]
    assert steps == sorted(steps, reverse=True)  # of equals the newest first

    hits, _ = found(run, preset="repetition", limit="1000")
    shares = {place: repeated(one["token_ids"]) for place, one in everything.items()}
    assert set(places(hits)) == {place for place, share in shares.items() if share >= scanning.REPETITIVE}
    assert [hit["repetition"] for hit in hits] == [pytest.approx(shares[p], abs=5e-4) for p in places(hits)]

    hits, _ = found(run, text="so", sort="length", limit="5")
    of = sorted((sum(one["sampled"]) for one in everything.values() if "so" in one["text"]), reverse=True)
    assert [hit["length"] for hit in hits] == of[:5]


def test_the_longest_are_told_before_all_is_read_where_the_run_says_how_long_they_are(run, monkeypatch):
    whole, end = found(run, preset="longest", limit="10")
    lengths = {step: max(sum(one["sampled"]) for one in rows_of(run, step)) for step in range(STEPS)}
    del lengths[3]  # of which the run says nothing
    lines = [{"step": step, "completions/max_length": length} for step, length in lengths.items()]
    monkeypatch.setattr("groupthink.web.search.bounds.read_metrics", lambda path: lines)
    read = []
    monkeypatch.setattr(
        "groupthink.web.search.walk.scan", lambda file, *more: read.append(file) or scanning.scan(file, *more)
    )
    again = search(run, read_query({"preset": "longest", "limit": "10"}))
    first = next(again)
    assert first == {"hit": whole[0]} and len(read) < STEPS
    hits, ended = [line["hit"] for line in again if "hit" in line], found(run, preset="longest", limit="10")[1]
    assert [first["hit"], *hits] == whole and ended["curve"] == end["curve"]


def ordered(run, figure, matches):
    """The places that a plain scan finds, the highest figures first, and of equals those of the newest step."""
    places = []
    for step in recorded_steps(run):
        group = -1
        try:
            rows = rows_of(run, step)
        except pa.ArrowInvalid:  # it is damaged
            continue
        for one in rows:
            group += one["response"] == 0
            if matches(one):
                places.append((-figure(one), -step, group, one["response"]))
    return [(-step, group, response) for _, step, group, response in sorted(places)]


def length(one):
    return sum(one["sampled"])


def reward(one):
    return one["reward"]


IN_ORDER = [
    ({"preset": "rewarded-wrong"}, reward, lambda one: right(one) is False and one["reward"] > 0),
    ({"preset": "longest"}, length, lambda one: True),
    ({"preset": "longest", "right": "0"}, length, lambda one: right(one) is False),
    ({"text": "so", "sort": "reward"}, reward, lambda one: "so" in one["text"]),
    ({"text": "so", "sort": "reward", "right": "0"}, reward, lambda one: "so" in one["text"] and right(one) is False),
    ({"text": "so", "sort": "reward", "right": "1"}, reward, lambda one: "so" in one["text"] and right(one) is True),
    ({"text": "no", "sort": "length"}, length, lambda one: "no" in one["text"]),
]


def never_read(run):
    pass


def all_read(run):
    warm(run, threading.Event())


def partly_read(run):
    later = {step: run / f"rollouts/step-{step:06d}.parquet" for step in (2, 7, 11)}
    for file in later.values():
        file.rename(file.with_suffix(".aside"))
    warm(run, threading.Event())
    for file in later.values():
        file.with_suffix(".aside").rename(file)


def read_by_another_server(run):
    warm(run, threading.Event())
    index._held.clear()


def made_again(run):
    """A resume takes the last steps away, and makes them again: other ones, lower and higher."""
    warm(run, threading.Event())
    for step in range(7, STEPS):
        (run / f"rollouts/step-{step:06d}.parquet").unlink()
    write_step(run, 7, [row(0, "so low", -0.5, 0.0), row(1, "no", 0.1, 0.0)])
    write_step(run, 8, [row(0, "so high, and so long, so long. " * 9, 3.0, 0.0), row(1, "so right", 4.0, 1.0)])


def made_again_unseen(run):
    made_again(run)
    index._held.clear()  # what another server knows is of before


def added_to(run):
    warm(run, threading.Event())
    write_step(run, STEPS, [row(0, "so new, so wrong and so long" * 20, 2.0, 0.0), row(1, "no", 0.8, 0.0)])


def damaged(run):
    (run / "rollouts/step-000005.parquet").write_bytes(b"PAR1 and no more")
    warm(run, threading.Event())


@pytest.mark.parametrize(
    "state",
    [never_read, all_read, partly_read, read_by_another_server, made_again, made_again_unseen, added_to, damaged],
)
def test_in_order_they_are_what_a_plain_scan_puts_in_order(tmp_path, monkeypatch, state):
    monkeypatch.setattr(index, "SAVED", 1)
    run = made_run(tmp_path / "r", STEPS, seed=1)
    state(run)
    for params, figure, matches in IN_ORDER:
        expected = ordered(run, figure, matches)
        assert len(expected) > 5
        for limit in (5, 1000):
            hits, end = found(run, **params, limit=str(limit))
            assert places(hits) == expected[:limit], params
            of = limit if params.get("preset") == "longest" else 1000  # which says how many of a step are shown
            assert end["hits"] == len(expected[:of]) and end["shown"] == len(hits)
            counts = dict(zip(end["curve"]["step"], end["curve"]["matched"], strict=True))
            assert counts == {step: sum(one[0] == step for one in expected[:of]) for step in recorded_steps(run)}


@pytest.mark.parametrize("params", [params for params, *_ in IN_ORDER])
def test_where_the_run_has_been_read_they_are_told_as_soon_as_the_steps_with_the_highest_are(
    tmp_path, monkeypatch, params
):
    run = made_run(tmp_path / "r", STEPS)
    whole, _ = found(run, **params)
    all_read(run)
    scans, told = [], []
    monkeypatch.setattr("groupthink.web.search.walk.scan", lambda *of: scans.append(of) or scanning.scan(*of))
    monkeypatch.setattr("groupthink.web.search.top.shown_of", lambda *of: told.append(of) or scanning.shown_of(*of))
    lines = search(run, read_query(params))
    first = next(line for line in lines if "hit" in line)
    assert first == {"hit": whole[0]} and len(scans) < STEPS and len(told) == 1
    assert [line["hit"] for line in lines if "hit" in line] == whole[1:] and len(told) <= STEPS


def test_a_step_that_goes_before_its_hits_are_read_is_left_out(run, monkeypatch):
    whole, _ = found(run, preset="rewarded-wrong")
    monkeypatch.setattr(
        "groupthink.web.search.top.shown_of",
        lambda file, *of: [] if "000005" in file.name else scanning.shown_of(file, *of),
    )
    assert found(run, preset="rewarded-wrong")[0] == [hit for hit in whole if hit["step"] != 5]
    all_read(run)
    assert found(run, preset="rewarded-wrong")[0] == [hit for hit in whole if hit["step"] != 5]


def test_large_columns_are_read_in_pieces_to_the_same_end(run, monkeypatch):
    whole = found(run, text="wait"), found(run, preset="longest"), found(run, preset="repetition")
    monkeypatch.setattr(scanning, "HELD", 1000)
    monkeypatch.setattr(scanning, "AT_ONCE", 100)
    for (hits, end), params in zip(
        whole, ({"text": "wait"}, {"preset": "longest"}, {"preset": "repetition"}), strict=True
    ):
        again, ended = found(run, **params)
        assert again == hits and ended["curve"] == end["curve"]
    assert len(list(scanning.pieces(run / "rollouts/step-000000.parquet", ["text"]))) > 1


def test_a_search_has_an_end(run, tmp_path):
    lines = list(search(run, read_query({"text": "wait"}), seconds=-1))
    assert lines == [{"curve": {"step": [], "matched": [], "responses": []}, "hits": 0, "shown": 0,
                      "seconds": lines[0]["seconds"], "stopped": "time"}]  # fmt: skip


def test_it_ends_within_a_step_too(tmp_path, monkeypatch):
    slow = begin_run(tmp_path / "slow")
    write_step(slow, 0, [row(place, "a" * 1000) for place in range(100)])
    monkeypatch.setattr(scanning, "AT_ONCE", 1000)
    match, calls = scanning.compute.match_substring_regex, []
    monkeypatch.setattr(
        scanning.compute,
        "match_substring_regex",
        lambda *of, **how: calls.append(1) or time.sleep(0.05) or match(*of, **how),
    )
    *_, end = search(slow, Query(pattern="b"), seconds=0.3)
    assert end["stopped"] == "time" and end["curve"]["step"] == [] and 1 <= len(calls) < 50


def test_all_searches_together_read_so_many_files_at_once(run, monkeypatch):
    reading, most, lock = [], [], threading.Lock()

    def counted(*of):
        with lock:
            reading.append(1)
            most.append(len(reading))
        time.sleep(0.01)
        try:
            return scanning.scan(*of)
        finally:
            with lock:
                reading.pop()

    monkeypatch.setattr("groupthink.web.search.walk.scan", counted)
    with ThreadPoolExecutor(4) as several:
        ends = list(several.map(lambda _: list(search(run, Query(pattern="wait")))[-1], range(4)))
    assert max(most) <= searching.READERS and {end["hits"] for end in ends} == {ends[0]["hits"]}
    assert all(end["stopped"] is None for end in ends)


@pytest.mark.parametrize("params", [{"text": "o"}, {"text": "o", "sort": "reward"}, {"preset": "longest"}])
def test_of_no_hits_the_curve_is_told(run, params):
    hits, end = found(run, **params, limit="0")
    assert hits == [] and end["shown"] == 0 and end["curve"]["step"] == list(range(STEPS))


def test_a_reward_that_is_no_number_comes_last(tmp_path):
    run = begin_run(tmp_path / "r")
    write_step(run, 0, [row(place, "o", reward) for place, reward in enumerate([float("nan"), -1.0, 2.0])])
    hits, end = found(run, text="o", sort="reward")
    assert [hit["response"] for hit in hits] == [2, 1, 0] and hits[2]["reward"] is None
    assert end["hits"] == end["shown"] == 3


def test_whoever_leaves_ends_the_search(run):
    lines = search(run, read_query({"text": "o"}))
    assert "hit" in next(lines)
    lines.close()


def test_a_run_without_responses_and_a_damaged_file(tmp_path):
    run = begin_run(tmp_path / "r")
    assert found(run, text="a") == ([], {"curve": {"step": [], "matched": [], "responses": []}, "hits": 0, "shown": 0,
                                         "seconds": pytest.approx(0, abs=1), "stopped": None})  # fmt: skip
    for preset in ("longest", "rewarded-wrong", "repetition"):
        assert found(run, preset=preset)[0] == []
    write_step(run, 0, [row(0, "abc")])
    (run / "rollouts/step-000001.parquet").write_bytes(b"PAR1 and no more")
    hits, end = found(run, text="b")
    assert places(hits) == [(0, 0, 0)] and end["curve"]["responses"] == [1, 0]


@pytest.mark.parametrize(
    "params, said",
    [
        ({}, "ask for one of"),
        ({"text": "a", "regex": "b"}, "text and regex"),
        ({"regex": "("}, r"missing \)"),
        ({"regex": "(?=a)"}, r"RE2 \(no look-around"),
        ({"regex": r"(a)\1"}, "invalid escape"),
        ({"regex": "(a{1,1000}){1,1000}"}, "repetition size"),
        ({"regex": "a" * 1001}, "1001 characters"),
        ({"text": "a" * 1001}, "1000 are looked for"),
        ({"preset": "reflections"}, "reflection is nearest"),
        ({"text": "a", "right": "yes"}, "right=yes"),
        ({"text": "a", "from": "-1"}, "from=-1"),
        ({"text": "a", "limit": "many"}, "limit=many"),
        ({"text": "a", "to": "١"}, "to=١"),
        ({"text": "a", "sort": "best"}, "sort=best"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(params, said):
    with pytest.raises(ValueError, match=said):
        read_query(params)


def test_what_stands_around_a_match():
    text = "é" * 300 + "X" * 1000 + "ß" * 300
    assert first_found([text], "X+") == [("é" * 80, "X" * 400, "ß" * 80)]
    assert first_found(["ab", "b", "cab"], "a") == [("", "a", "b"), ("", "", "b"), ("c", "a", "b")]
    assert first_found(["éx"], r"\C")[0].match == "\ufffd"
    for hostile in ("a\x00b", "\u202eabc", "[.*+?^${}()|\\", "\\Q\\E", "🎈"):
        (one,) = first_found([f"<{hostile}>"], literal(hostile))
        assert one == ("<", hostile, ">")
