import json
import sys
from pathlib import Path

import pytest
import torch

from groupthink.model.loading import has_own_code, load_model, load_tokenizer, new_model, require_model
from groupthink.model.place import NANO, resolve
from groupthink.model.saving import restore_policy
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


def silent(text):
    raise AssertionError(f"nothing is to be said of a folder, and this was: {text}")


class Hostile:
    """Whoever unpickles it runs it: a file is made."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.fault("S9")
def test_pickled_weights_are_never_read(tmp_path):
    """S9"""
    tiny("qwen3").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(Hostile(tmp_path / "mark"), tmp_path / "pytorch_model.bin")
    for read in (load_model, lambda place: require_model(str(place), silent)):
        with pytest.raises(ValueError, match=r"weights as pytorch_model\.bin, which is a pickle .* as safetensors"):
            read(tmp_path)
    assert not (tmp_path / "mark").exists()
    (tmp_path / "pytorch_model.bin").unlink()
    require_model(str(tmp_path), silent)  # a shape alone, which is enough for new weights
    with pytest.raises(OSError, match="safetensors"):
        load_model(tmp_path)


OWN_CODE = """\
from pathlib import Path
from transformers import Qwen3Config, Qwen3ForCausalLM

Path({mark!r}).touch()


class OwnConfig(Qwen3Config):
    model_type = "own_kind"


class OwnForCausalLM(Qwen3ForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def with_code(tmp_path, monkeypatch):
    """The folder of a model whose architecture is in a file beside it, which leaves a mark when it is run."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "own"
    tiny("qwen3").save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own_kind", "architectures": ["OwnForCausalLM"]}
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(OWN_CODE.format(mark=str(tmp_path / "mark")))
    yield folder
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


@pytest.mark.fault("S10")
@pytest.mark.parametrize(
    "read",
    [
        load_model,
        lambda place: new_model(place, 0),
        lambda place: require_model(str(place), silent),
    ],
)
def test_code_that_comes_with_a_model_is_not_run_unless_asked_for(with_code, read, tmp_path):
    """S10"""
    with pytest.raises(ValueError, match=r"brings code of its own.* set trust_remote_code=true in the recipe"):
        read(with_code)
    assert not (tmp_path / "mark").exists()


def test_code_that_comes_with_a_model_is_run_where_a_recipe_says_so(with_code, tmp_path):
    require_model(str(with_code), silent, trust_remote_code=True)
    model = load_model(with_code, trust_remote_code=True)
    assert (tmp_path / "mark").exists() and type(model).__name__ == "OwnForCausalLM"
    assert has_own_code(model) and not has_own_code(tiny("qwen3"))
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model(ids).logits, tiny("qwen3")(ids).logits, atol=1e-5, rtol=1e-4)
    other = new_model(with_code, 0, trust_remote_code=True)
    restore_policy(other, with_code)  # as a resume does, by the model that was trusted at the beginning
    assert torch.equal(other(ids).logits, model(ids).logits)
