import pytest

from groupthink.chain import read_chain


@pytest.mark.fault("B7")
@pytest.mark.parametrize(
    ("text", "reasoning", "answer", "well_formed"),
    [
        ("<think>a</think>b", "a", "b", True),
        ("\n<think>\na\n</think>\n b \n", "\na\n", "b", True),
        ("b", None, "b", False),  # no tags
        ("  ", None, None, False),
        ("<think>a", "a", None, False),  # never closed
        ("so <think>a", "a", None, False),
        ("a</think>b", "a", "b", False),  # never opened
        ("<think>a</think>", "a", None, False),
        ("<think>a</think><think>b</think>c", "b", "c", False),  # twice
        ("<think>a</think>b</think>c", "a</think>b", "c", False),
        ("<think><think>a</think>b", "a", "b", False),
        ("<think>a</think>b<think>c", "a", "b<think>c", False),
        ("so <think>a</think>b", "a", "b", False),
        ("</think>b", "", "b", False),
        ("</think><think>", "", "<think>", False),
        ("a</think>b<think>", "a", "b<think>", False),  # closed before it is opened
    ],
)
def test_reasoning_and_answer_are_defined_for_every_text(text, reasoning, answer, well_formed):
    """B7: without tags, with one that is never closed, with more than one."""
    chain = read_chain(text)
    assert (chain.reasoning, chain.answer, chain.well_formed) == (reasoning, answer, well_formed)


@pytest.mark.fault("B6", "B7")
@pytest.mark.parametrize(
    ("text", "reasoning", "answer", "well_formed"),
    [
        ("a</think>b", "a", "b", True),
        ("a", "a", None, False),
        ("<think>a</think>b", "a", "b", False),  # opened a second time
        ("", "", None, False),
    ],
)
def test_where_the_prompt_opens_the_chain_a_text_begins_inside_it(text, reasoning, answer, well_formed):
    """B6 and B7."""
    chain = read_chain(text, opening="<think>")
    assert (chain.reasoning, chain.answer, chain.well_formed) == (reasoning, answer, well_formed)
