from groupthink.model.chat import Chat
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.model.settings import ChatSettings
from groupthink.nano.tokenizer import build_tokenizer


def test_where_the_prompt_opens_the_reasoning_a_response_begins_inside_it():
    tokenizer = build_tokenizer()
    (prompt,), (response,) = encode_demonstrations(
        Chat(tokenizer, ChatSettings(open_think=True)), [("Compute 1+1", "<think>1+1=2\n</think>2")]
    )
    assert tokenizer.decode([*prompt, *response]).count("<think>") == 1
    assert tokenizer.decode(response) == "1+1=2\n</think>2<|end|>"


def test_where_the_prompt_leaves_the_reasoning_out_a_response_is_the_answer():
    tokenizer = build_tokenizer()
    closing = tokenizer.chat_template.replace("<|assistant|>", "<|assistant|><think>\n\n</think>\n\n")
    assert closing != tokenizer.chat_template
    tokenizer.chat_template = closing
    _, responses = encode_demonstrations(
        Chat(tokenizer), [("Compute 1+1", "<think>1+1=2\n</think>2"), ("Compute 1+1", "2")]
    )
    assert [tokenizer.decode(response) for response in responses] == ["2<|end|>", "2<|end|>"]
