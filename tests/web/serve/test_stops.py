import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupthink.web.serve.stops import Stops, begun


def told(stops, parts):
    stops = Stops(stops)
    return [*(stops.add(part) for part in parts), stops.end()], stops.stopped


def first(stops, text):
    """Where a text is cut, by trying every beginning of it."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)], True
    return text, False


@pytest.mark.parametrize(
    "stops, text, kept",
    [
        (["END"], "a b END c", "a b "),
        (["END"], "a b EN", "a b EN"),
        (["\n\n", "END"], "a\nEND\n\n", "a\n"),
        (["bc", "abcd"], "xabcd", "xa"),  # complete first
        (["cd", "abcd"], "xabcd", "x"),  # at one place, the longest
        (["aab"], "aaab", "a"),
        (["abab"], "abaabab!", "aba"),
        (["²"], "x²", "x"),
        ([], "all of it", "all of it"),
    ],
)
def test_text_up_to_the_first_stop_string(stops, text, kept):
    for parts in ([text], list(text), [text[:3], text[3:]]):
        shown, stopped = told(stops, parts)
        assert "".join(shown) == kept
        assert stopped == (kept != text)
    assert first(stops, text)[0] == kept


@given(
    st.lists(st.text("ab<", min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.text("ab<", max_size=5), max_size=12),
)
def test_nothing_of_a_stop_string_is_ever_shown(stops, parts):
    text = "".join(parts)
    kept, stops_there = first(stops, text)
    shown, stopped = told(stops, parts)
    assert ("".join(shown), stopped) == (kept, stops_there)
    so_far = ""
    for part in shown:
        so_far += part
        assert kept.startswith(so_far)


def test_what_may_be_the_beginning_of_one_waits_and_no_more():
    stops = Stops(["</s>"])
    assert [stops.add(part) for part in ("a<", "/", "s", "x")] == ["a", "", "", "</sx"]
    assert [stops.add(part) for part in ("b<", "<", "/s>", "more")] == ["b", "<", "", ""]
    assert stops.stopped and stops.end() == ""


def test_how_much_may_be_a_beginning():
    assert [begun(text, "aab") for text in ("", "a", "aa", "aaa", "ab", "xaa", "b")] == [0, 1, 2, 2, 0, 2, 0]
