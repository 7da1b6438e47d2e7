import sys

import pytest
import torch
from torch import nn

from groupthink.policy.optimizer import (
    MasterWeights,
    adamw,
    load_optimizer,
    make_optimizer,
    save_optimizer,
    zero_gradients,
)
from groupthink.policy.settings import PolicySettings
from tests.tiny import tiny

SETTINGS = PolicySettings(learning_rate=1e-2, weight_decay=0.1)


def parameters(dtype=torch.bfloat16, norm=None, seed=0):
    """A matrix, a bias, and a norm that may be of another type."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"matrix": (96, 64), "bias": (64,), "norm": (64,)}
    return {
        name: nn.Parameter(torch.randn(shape, generator=draw).to(norm if name == "norm" and norm else dtype))
        for name, shape in shapes.items()
    }


def step(optimizer, held, seed):
    draw = torch.Generator().manual_seed(seed)
    zero_gradients(held)
    for parameter in held.values():
        parameter.grad += torch.randn(parameter.shape, generator=draw)
    optimizer.step()


def assert_equal(found, expected):
    for name, parameter in expected.items():
        assert found[name].dtype == parameter.dtype and torch.equal(found[name], parameter), name


def test_updates_that_bfloat16_would_lose_add_up():
    """A constant gradient moves AdamW by the learning rate: a thousand times a ten-thousandth of the weight."""
    settings = PolicySettings(learning_rate=1e-4)
    lost, kept = (nn.Parameter(torch.ones(16, 16, dtype=torch.bfloat16)) for _ in range(2))
    alone, through = torch.optim.AdamW([lost], lr=1e-4, weight_decay=0.0), adamw({"kept": kept}, settings)
    for _ in range(1000):
        lost.grad, kept.grad = torch.ones_like(lost), torch.ones(16, 16)
        alone.step()
        through.step()
    assert (lost == 1).all()
    assert torch.equal(kept, torch.full((16, 16), 0.9).bfloat16())


@pytest.mark.parametrize("norm", [None, torch.float32])
def test_masters_move_as_float32_parameters_do_and_parameters_are_them_rounded(norm):
    low = parameters(norm=norm)
    full = {name: nn.Parameter(parameter.detach().float()) for name, parameter in low.items()}
    through, plain = adamw(low, SETTINGS), adamw(full, SETTINGS)
    assert isinstance(through, MasterWeights)
    for seed in range(5):
        for optimizer in (through, plain):
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (seed + 1)
        step(through, low, seed)
        step(plain, full, seed)
    assert_equal({name: through.masters.get(parameter, parameter) for name, parameter in low.items()}, full)
    assert_equal(low, {name: full[name].to(parameter.dtype) for name, parameter in low.items()})
    assert (low["norm"] in through.masters) == (norm is None)


def test_gradients_of_many_micro_batches_are_added_up_in_float32():
    weight = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    adamw({"weight": weight}, SETTINGS)
    zero_gradients({"weight": weight})
    for _ in range(512):
        (weight / 512).sum().backward()
    assert weight.grad.dtype == torch.float32
    torch.testing.assert_close(weight.grad, torch.ones(4))  # in bfloat16 it stops at 0.5


def test_float32_parameters_have_torchs_own_optimizer():
    held = parameters(torch.float32)
    optimizer = make_optimizer("adamw", held, SETTINGS)
    assert type(optimizer) is torch.optim.AdamW
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 2]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


@pytest.mark.parametrize("name", ["adamw", "adamw8bit"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stop", [0, 3])
def test_restored_it_goes_on_bit_for_bit(name, dtype, stop, tmp_path):
    if name == "adamw8bit":
        pytest.importorskip("bitsandbytes")
    straight, first = parameters(dtype), parameters(dtype)
    optimizer = make_optimizer(name, straight, SETTINGS)
    for seed in range(6):
        step(optimizer, straight, seed)

    before = make_optimizer(name, first, SETTINGS)
    for seed in range(stop):
        step(before, first, seed)
    save_optimizer(tmp_path / "state.safetensors", before, first)
    second = parameters(dtype, seed=1)
    after = make_optimizer(name, second, SETTINGS)
    step(after, second, 9)  # must leave nothing behind
    with torch.no_grad():
        for key, parameter in second.items():
            parameter.copy_(first[key])
    load_optimizer(tmp_path / "state.safetensors", after, second)
    for seed in range(stop, 6):
        step(after, second, seed)
    assert_equal(second, straight)


def test_states_of_another_precision_or_optimizer_are_refused(tmp_path):
    path, full, low = tmp_path / "state.safetensors", parameters(torch.float32), parameters()
    of_full, of_low = adamw(full, SETTINGS), adamw(low, SETTINGS)
    for optimizer, held, other, others in ((of_full, full, of_low, low), (of_low, low, of_full, full)):
        step(optimizer, held, 0)
        save_optimizer(path, optimizer, held)
        with pytest.raises(ValueError, match="another precision"):
            load_optimizer(path, other, others)
    save_optimizer(path, of_full, full)
    with pytest.raises(ValueError, match="saved by another optimizer"):
        load_optimizer(path, torch.optim.SGD(full.values()), full)


def test_eight_bits_need_bitsandbytes(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match=r'optimizer="adamw8bit" needs .*pip install \'groupthink\[8bit\]\''):
        make_optimizer("adamw8bit", parameters(), SETTINGS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moments_of_eight_bits_take_a_quarter_of_the_memory_and_go_the_same_way(dtype):
    pytest.importorskip("bitsandbytes")
    moved, held = {}, {}
    for name in ("adamw", "adamw8bit"):
        of = {"matrix": parameters(dtype)["matrix"]}
        before = of["matrix"].detach().clone()
        optimizer = make_optimizer(name, of, SETTINGS)
        for seed in range(5):
            step(optimizer, of, seed)
        moved[name] = (of["matrix"].detach() - before).float().flatten()
        inner = optimizer.inner if isinstance(optimizer, MasterWeights) else optimizer
        [state] = inner.state.values()
        held[name] = sum(v.nbytes for key, v in state.items() if isinstance(v, torch.Tensor) and "qmap" not in key)
    assert held["adamw8bit"] < 0.3 * held["adamw"]
    assert torch.cosine_similarity(moved["adamw"], moved["adamw8bit"], dim=0) > 0.99


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma2"])
def test_a_bfloat16_model_learns_through_masters(kind):
    model = tiny(kind).bfloat16()
    held = dict(model.named_parameters())
    optimizer = adamw(held, PolicySettings(learning_rate=1e-3))
    ids = torch.arange(2, 22)[None]

    def loss():
        return model(ids, labels=ids).loss

    first = loss().item()
    for _ in range(10):
        zero_gradients(held)
        loss().backward()
        nn.utils.clip_grad_norm_(held.values(), 1.0)
        optimizer.step()
    assert loss().item() < 0.8 * first
    assert all(parameter.dtype == torch.bfloat16 for parameter in held.values())
