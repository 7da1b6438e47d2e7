"""A tokenizer and tiny models of the architectures of Qwen's, with a chat template that has the same controls."""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.tiny import tiny

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}"
)
"""A turn for each message, of a system's too; an empty chain of thought where thinking is switched off."""

OPENING_TEMPLATE = TEMPLATE.replace("assistant\\n' }}", "assistant\\n<think>\\n' }}")
"""One that always opens the chain of thought itself, as those of reasoning models do."""


def build_tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """A token for each byte, the control tokens, and the marks of a chain of thought."""
    control = [END_OF_TEXT, START, END]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*control, "<think>", "</think>", *letters])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=END_OF_TEXT,
        eos_token=END_OF_TEXT if template is None else END,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def save_model(folder: Path, kind: str, template: str | None = TEMPLATE) -> str:
    """Write a tiny model with its tokenizer, `kind` being "qwen3" or "qwen2"; its folder, as a recipe names it."""
    tokenizer = build_tokenizer(template)
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    tiny(kind, vocab_size=len(tokenizer), max_position_embeddings=2048, **ids).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder.as_posix()
