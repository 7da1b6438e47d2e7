"""The character tokenizer of nano: printable ASCII, the signs of the task, and the control tokens."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from groupthink.chain import CLOSE, OPEN

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
CHARACTERS = "\n" + "".join(map(chr, range(32, 127))) + "²−±√" + UNKNOWN

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'assistant' -%}"
    "<|assistant|>{% generation %}{{ message.content + '<|end|>' }}{% endgeneration %}"
    "{%- else -%}<|user|>{{ message.content + '<|end|>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character, and one for each of `<think>`, `</think>` and the chat's control tokens."""
    control = [PAD, END, USER, ASSISTANT]
    vocabulary = {token: index for index, token in enumerate([*control, OPEN, CLOSE, *CHARACTERS])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    core.decoder = decoders.Fuse()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in (OPEN, CLOSE)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
