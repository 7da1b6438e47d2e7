"""Learners that share a model out, as real processes that talk by gloo: each figure against a learner alone."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from groupthink.model.loading import load_model
from groupthink.model.shares import files_of
from tests.scale.ranks import OBJECTIVES, SIZES
from tests.warm import Warm, module

REPOSITORY = Path(__file__).parent.parent.parent
RANKS = max(SIZES)
GRADIENT = 1e-5
"""Relative: float32 adds in another order, and no more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What four ranks have written: `tests/scale/ranks.py`."""
    folder = tmp_path_factory.mktemp("ranks")
    ranks = [Warm(module, "tests.scale.ranks", rank, RANKS, folder, cwd=REPOSITORY) for rank in range(RANKS)]
    try:
        said = [rank.communicate(timeout=300)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * RANKS, "\n".join(text[-1500:] for text in said)
    return folder


pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_update_is_that_of_a_learner_alone(folder, name, size):
    """Uneven tokens on the ranks, some of which have fewer micro-batches; all that is reported is the same, too."""
    found = json.loads((folder / f"gradient {name} {size}.json").read_text())
    change = found.pop("change_M")  # a difference of what is nearly the same
    assert found.pop("grad_norm") <= GRADIENT and "model.embed_tokens.weight" in found
    assert max(found.values()) <= GRADIENT, max(found, key=found.get)
    assert change <= 1e-3
    if size == 1:
        assert change == max(found.values()) == 0


@pytest.mark.fault("F8")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("size", SIZES)
def test_a_checkpoint_is_resumed_by_any_number(folder, dtype, size):
    """By as many as wrote it to the last bit; by fewer, or one process alone, to rounding (of bfloat16, 1 in 256)."""
    for others in (None, *(other for other in SIZES if other <= size)):
        far = json.loads((folder / f"resumed {dtype} {size} {others}.json").read_text())
        bound = 0.0 if others == size else 1e-6 if dtype == "float32" else 4e-3 if others is None else 1e-3
        assert max(far.values()) <= bound, (others, max(far, key=far.get), max(far.values()))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_checkpoint_is_a_model_like_any_other(folder, dtype):
    """Of which nothing is pickled: safetensors and JSON, the optimizer's a file for each rank."""
    place = folder / f"{dtype}-{RANKS}"
    assert {file.suffix for file in place.rglob("*") if file.is_file()} == {".json", ".safetensors"}
    assert len(list((place / "optimizer").glob("*.safetensors"))) == RANKS
    model = load_model(place)
    with safe_open(place / "model.safetensors", framework="pt") as file:
        assert {str(file.get_slice(name).get_dtype()) for name in file.keys()} == {  # noqa: SIM118
            {"float32": "F32", "bfloat16": "BF16"}[dtype]
        }
        assert file.get_tensor("model.norm.weight").float().equal(model.model.norm.weight)


def test_a_large_model_goes_into_several_files():
    class Sized:
        itemsize = 1

        def __init__(self, size):
            self.size = size

        def numel(self):
            return self.size

    tensors = {name: Sized(size) for name, size in {"a": 3, "b": 3, "c": 9, "d": 1}.items()}
    assert files_of(tensors, most=6) == {"a": 1, "b": 1, "c": 2, "d": 3}
