import json

import pytest
import torch

from groupthink.model.loading import NANO, load_model, load_tokenizer, resolve
from groupthink.nano.tokenizer import build_tokenizer
from tests.tiny import tiny


def hold_model(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_names():
    assert resolve("nano") == NANO
    assert resolve("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"


def test_a_run_stands_for_its_final_model_or_else_its_newest_checkpoint(tmp_path):
    run = tmp_path / "run"
    for step in ("000010", "000020"):
        newest = hold_model(run / "checkpoints" / f"step-{step}")
        (newest / "complete.json").write_text("{}")
    hold_model(run / "checkpoints" / "step-000030")  # was never sealed
    assert resolve(run) == newest
    assert resolve(str(newest)) == newest
    final = hold_model(run / "model")
    assert resolve(run) == final


def test_what_holds_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no model"):
        resolve(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        resolve(tmp_path / "nothing")
    with pytest.raises(ValueError, match="no folder"):
        resolve("./nothing")


def test_a_saved_model_comes_back_with_our_attention(tmp_path):
    model = tiny("llama")
    model.save_pretrained(tmp_path)
    build_tokenizer().save_pretrained(tmp_path)
    again = load_model(tmp_path, dtype=torch.float64)
    assert again.config._attn_implementation == "groupthink" and not again.training
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float64}
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(again(ids).logits.float(), model(ids).logits, atol=1e-5, rtol=1e-4)
    assert load_tokenizer(tmp_path).encode("x") == build_tokenizer().encode("x")


def test_pickled_weights_and_remote_code_are_never_read(tmp_path):
    tiny("qwen3").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError):
        load_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "unheard_of", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('remote code ran')")
    with pytest.raises(ValueError):
        load_model(tmp_path)
