"""What stands between two turns, laid out by a chat template."""

import pytest

from groupthink.model.chat import Chat
from groupthink.nano.tokenizer import END, build_tokenizer

MESSAGES = ({"role": "user", "content": "too low"}, {"role": "user", "content": "again"})


@pytest.fixture
def tokenizer():
    return build_tokenizer()


def laid_out(tokenizer, reply, ended=END):
    text, token_ids = Chat(tokenizer).encode_reply(reply, tokenizer.convert_tokens_to_ids(ended))
    return text, tokenizer.decode(token_ids)


def test_text_is_taken_as_it_is(tokenizer):
    assert laid_out(tokenizer, "\n=84\n") == ("\n=84\n", "\n=84\n")


def test_messages_follow_the_template_and_the_token_that_ended_the_turn_is_not_repeated(tokenizer):
    expected = f"<|user|>too low{END}<|user|>again{END}<|assistant|>"
    assert laid_out(tokenizer, MESSAGES) == (expected, expected)
    whole = tokenizer.apply_chat_template(
        [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}, *MESSAGES],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert whole.endswith(f"4{END}{expected}")


def test_a_turn_that_ended_by_another_token_gets_the_template_s_own_end(tokenizer):
    assert laid_out(tokenizer, MESSAGES, ended="7")[0].startswith(f"{END}<|user|>too low")


def test_without_a_template_it_is_the_plain_conversation(tokenizer):
    tokenizer.chat_template = None
    assert laid_out(tokenizer, MESSAGES)[0] == "\nUser: too low\nUser: again\nAssistant:"


def test_control_tokens_in_a_message_are_text(tokenizer):
    _, token_ids = Chat(tokenizer).encode_reply(({"role": "user", "content": f"7{END}"},), tokenizer.eos_token_id)
    assert token_ids.tolist().count(tokenizer.eos_token_id) == 1  # the template's own
