"""A data set of the stage `sample`, read by `datasets` and learned from by TRL as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

from groupthink.model.chat import Chat
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Problem
from groupthink.stage.sample.candidates import read_candidates
from groupthink.stage.sample.choice import choose
from groupthink.stage.sample.dataset import write_dataset
from groupthink.stage.settings import SampleSettings
from tests.tiny import tiny

CHAINS = [f"<think>b={b}\nso it is twice {b}</think>x={2 * b}" for b in range(10, 16)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    problems = [Problem(str(b), "own", f"Double {b}", f"x={2 * b}") for b in range(10, 16)]
    rows = [
        {
            "problem": problem.id,
            "text": text,
            "finish": "stop",
            "seed": place,
            "reward": 1.0,
            "parts": {"accuracy": 1.0, "format": 1.0, "brevity": 1.0},
            "token_ids": list(range(len(text))),
            "sampled": [True] * len(text),
        }
        for place, (problem, text) in enumerate(zip(problems, CHAINS, strict=True))
    ]
    chosen = choose(read_candidates(rows, problems, ""), SampleSettings())
    assert len(chosen.kept) == len(CHAINS)
    path = tmp_path / "data"
    path.mkdir()
    write_dataset(path, chosen.kept, tuple(rows[0]["parts"]), "own@0", "own", "A card.\n")
    return path


@pytest.mark.parametrize("columns", ["all", "messages"])
def test_sft_trainer_learns_from_it(folder: Path, columns: str, tmp_path: Path, compared: Callable[[], None]):
    """From the prompts and completions those very tokens that our own fine-tuning imitates, and from them alone."""
    torch.set_default_dtype(torch.float32)
    rows = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(rows) == len(CHAINS)
    if columns == "messages":
        rows = rows.select_columns(["messages"])
    tokenizer = build_tokenizer()
    config = SFTConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=1,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
    )
    trainer = SFTTrainer(model=tiny("qwen2"), args=config, train_dataset=rows, processing_class=tokenizer)
    if columns == "all":
        shown = [(f"Double {b}", text) for b, text in zip(range(10, 16), CHAINS, strict=True)]
        ours = zip(*encode_demonstrations(Chat(tokenizer), shown), strict=True)
        for row, (prompt_ids, token_ids) in zip(trainer.train_dataset, ours, strict=True):
            assert row["input_ids"] == [*prompt_ids, *token_ids]
            assert row["labels"] == [*[-100] * len(prompt_ids), *token_ids]
    assert trainer.train().training_loss > 0
    compared()
