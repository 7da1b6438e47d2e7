from types import SimpleNamespace

import pytest

from groupthink.task.messages import as_messages, as_prompt, plain_info


def test_messages_of_dicts_and_of_objects_are_read_alike():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    given = [
        {"role": "system", "content": "s", "tool_calls": None},
        SimpleNamespace(role="user", content=[SimpleNamespace(type="text", text="u")]),
        {"role": "assistant", "content": parts},
        {"role": "user", "content": None},
    ]
    assert as_messages(given) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "ab"},
        {"role": "user", "content": ""},
    ]
    assert as_messages("u") == [{"role": "user", "content": "u"}]
    assert as_prompt("u") == "u" and as_prompt(given[:1]) == ({"role": "system", "content": "s"},)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
    ],
)
def test_more_than_text_is_refused(message):
    with pytest.raises(ValueError, match="only text is taken"):
        as_messages([message])


def test_of_further_columns_what_a_checkpoint_can_hold():
    assert plain_info({"level": 3, "kind": "a", "inner": {"x": 1}, "none": None}) == {"level": 3, "kind": "a"}
    assert plain_info('{"level": 3}') == {} == plain_info(None)
