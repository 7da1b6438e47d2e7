"""The shape of nano: Qwen3's architecture at 0.8 million parameters."""

from pathlib import Path

from transformers import Qwen3Config

from groupthink.nano.tokenizer import END, PAD, build_tokenizer

FOLDER = Path(__file__).parent / "model"
CONTEXT = 512  # tokens


def write_architecture(folder: Path) -> None:
    """Write nano's configuration and tokenizer, from which a recipe with `from_scratch` draws new weights."""
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.04,  # about 1 / sqrt(hidden) / 2: with Qwen3's 0.02 so narrow a model starts slowly
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        bos_token_id=None,
        architectures=["Qwen3ForCausalLM"],
    ).save_pretrained(folder)


if __name__ == "__main__":
    write_architecture(FOLDER)
