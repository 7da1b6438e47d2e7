"""AdamW over a model's named parameters, and its state as a safetensors file.

Parameters of lower precision than float32 are moved through float32 copies (`MasterWeights`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from groupthink.extras import need
from groupthink.model.saving import read_tensors
from groupthink.policy.settings import PolicySettings

EPSILON = 1e-8

TABLES = ("absmax1", "absmax2", "qmap1", "qmap2")
"""What bitsandbytes keeps beside moments of 8 bits: tensors that do not have the parameter's shape."""


def make_optimizer(name: str, parameters: Mapping[str, nn.Parameter], settings: PolicySettings) -> Optimizer:
    """The optimizer that `policy.optimizer` names: "adamw" or "adamw8bit"."""
    return {"adamw": adamw, "adamw8bit": adamw8bit}[name](parameters, settings)


def adamw(parameters: Mapping[str, nn.Parameter], settings: PolicySettings) -> Optimizer:
    """AdamW (arXiv 1711.05101); weight decay is for matrices, not for norms and biases."""
    return _over(parameters, settings, partial(torch.optim.AdamW, fused=True))


def adamw8bit(parameters: Mapping[str, nn.Parameter], settings: PolicySettings) -> Optimizer:
    """AdamW with both moments in 8 bits, in blocks of their own scale (arXiv 2110.02861): 2 bytes a parameter, not 8.

    Parameters of fewer than 4096 numbers keep theirs in float32. Raises ValueError where bitsandbytes is not installed.
    """
    bitsandbytes = need("bitsandbytes", 'policy.optimizer="adamw8bit"', "8bit")
    return _over(parameters, settings, bitsandbytes.optim.AdamW8bit)


def zero_gradients(parameters: Mapping[str, nn.Parameter]) -> None:
    """Set every gradient to zeros, of the type in which it is added up."""
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter, dtype=parameter.grad_dtype)


class MasterWeights(Optimizer):
    """Lets an optimizer move parameters of lower precision through float32 copies, the masters.

    bfloat16 has 8 significant bits: an update of less than a 512th of a weight would be rounded away, every time.
    Here it is added to the master, which is then rounded into the parameter (arXiv 1710.03740, section 3.1). Gradients
    are added up in float32, too: the parameters' `grad_dtype` is set.

    Where the parameters are set from elsewhere, the masters must be: `load_optimizer` does so.
    """

    def __init__(self, groups: list[dict[str, Any]], make: Callable[..., Optimizer]):
        low = [parameter for group in groups for parameter in group["params"] if _is_low(parameter)]
        self.masters = {parameter: nn.Parameter(parameter.detach().float()) for parameter in low}
        for parameter in low:
            parameter.grad_dtype = torch.float32
        moved = [[self.masters.get(parameter, parameter) for parameter in group["params"]] for group in groups]
        self.inner = make([{**group, "params": own} for group, own in zip(groups, moved, strict=True)])
        pairs = zip(groups, self.inner.param_groups, strict=True)
        super().__init__([{**its, "params": group["params"]} for group, its in pairs], {})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the masters by the parameters' gradients, and round them into the parameters."""
        assert closure is None
        for group, its in zip(self.param_groups, self.inner.param_groups, strict=True):
            its.update({**group, "params": its["params"]})
        for parameter, master in self.masters.items():
            master.grad = parameter.grad
        self.inner.step()
        for parameter, master in self.masters.items():
            master.grad = None
            parameter.copy_(master)


def save_optimizer(path: Path, optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
    """Write each parameter's state as `parameter/key`: `step`, `exp_avg`, `exp_avg_sq`; and `master` where it has one.

    With moments of 8 bits the keys are those of bitsandbytes.
    """
    inner, masters = _parts(optimizer)
    tensors: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        state = dict(inner.state.get(masters.get(parameter, parameter), {}))
        if parameter in masters:
            state["master"] = masters[parameter]
        for key, value in state.items():
            tensor = torch.as_tensor(value).detach().cpu().contiguous()
            tensors[f"{name}/{key}"] = tensor.clone() if key in TABLES else tensor  # parameters share some of them
    save_file(tensors, path)


@torch.no_grad()
def load_optimizer(path: Path, optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
    """Put back what `save_optimizer` wrote, bit for bit, or what ranks wrote into a folder of that name.

    Raises ValueError where it belongs to another model or optimizer, or to parameters of another precision.
    """
    states: dict[str, dict[str, Any]] = {}
    for full_name, tensor in read_tensors(path).items():
        name, _, key = full_name.rpartition("/")
        fits = name in parameters and (tensor.shape in (parameters[name].shape, torch.Size([])) or key in TABLES)
        if not fits:
            raise ValueError(f"{path} holds the state of another model: this one has no {full_name} of that shape")
        states.setdefault(name, {})[key] = _value(tensor, parameters[name].device)
    inner, masters = _parts(optimizer)
    for name, parameter in parameters.items():
        state = states.get(name, {})
        if ("master" in state) != (parameter in masters):
            raise ValueError(f"{path} is of parameters of another precision: load the model in the type that it had")
        if "step" in state and ("exp_avg" in state) != isinstance(inner, torch.optim.AdamW):
            raise ValueError(f"{path} was saved by another optimizer: set policy.optimizer to what it was")
    inner.state.clear()
    for name, state in states.items():
        moved = masters.get(parameters[name], parameters[name])
        if "master" in state:
            moved.copy_(state.pop("master"))
        if state:
            inner.state[moved] = state


def _over(
    parameters: Mapping[str, nn.Parameter], settings: PolicySettings, make: Callable[..., Optimizer]
) -> Optimizer:
    """`make` an optimizer of matrices, which decay, and of norms and biases, which do not."""
    groups = [
        {
            "params": [parameter for parameter in parameters.values() if (parameter.ndim > 1) == is_matrix],
            "weight_decay": settings.weight_decay if is_matrix else 0.0,
        }
        for is_matrix in (True, False)
    ]
    make = partial(make, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), eps=EPSILON)
    return MasterWeights(groups, make) if any(map(_is_low, parameters.values())) else make(groups)


def _is_low(parameter: nn.Parameter) -> bool:
    return parameter.dtype.itemsize < torch.float32.itemsize


def _parts(optimizer: Optimizer) -> tuple[Optimizer, Mapping[nn.Parameter, nn.Parameter]]:
    """What makes the steps, and the masters on which it makes them."""
    return (optimizer.inner, optimizer.masters) if isinstance(optimizer, MasterWeights) else (optimizer, {})


def _value(tensor: Tensor, device: torch.device) -> Tensor | int:
    """A value of a state as it was: bitsandbytes counts steps in an int."""
    return int(tensor) if tensor.dtype == torch.int64 and not tensor.ndim else tensor.to(device)
