"""How a model is read: safetensors and JSON, never pickles; code of its own if that is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from groupthink.model.attention import register_attention
from groupthink.model.place import require_there, resolve

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
"""How files end that transformers would read as weights, if it were let to."""


def read_config(name: str | Path, *, layers: int = 0, trust_remote_code: bool = False) -> PretrainedConfig:
    """The config of a model by its name; with `layers`, that of the same architecture with its first layers alone.

    Raises OSError where it cannot be had, and ValueError where it has fewer layers.
    """
    place = resolve(name)
    config = AutoConfig.from_pretrained(
        place, trust_remote_code=trust_remote_code, local_files_only=isinstance(place, Path)
    )
    text = config.get_text_config()
    if layers > text.num_hidden_layers:
        raise ValueError(
            f"{layers} layers are asked for, and {str(name)!r} has {text.num_hidden_layers}: take at most so many"
        )
    if layers:
        text.num_hidden_layers = layers
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:layers]
    return config


def context_of(config: PretrainedConfig) -> int | None:
    """The tokens that a model takes at most; None: its config names no bound."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def weights_here(name: str | Path) -> list[Path]:
    """The files of a model's weights that can be read without the network, in the hub's cache, too; none: they cannot.

    Raises ValueError for a folder that holds no model.
    """
    place = resolve(name)
    if not isinstance(place, Path):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            place = Path(snapshot_download(place, local_files_only=True, allow_patterns=["*.safetensors"]))
        except (LocalEntryNotFoundError, OSError):
            return []
    return sorted(place.glob("*.safetensors"))


def require_model(name: str, tell: Callable[[str], None], *, trust_remote_code: bool = False) -> None:
    """Raise ValueError for a model that cannot be had, is damaged or brings code, before anything is begun.

    `tell` hears that the hub is asked, which may take its time. `trust_remote_code`: its code may be run.
    """
    require_there(name, tell)
    require_readable(name, trust_remote_code=trust_remote_code)


def require_readable(name: str, *, trust_remote_code: bool = False) -> None:
    """The same of a model that is known to be there."""
    place = resolve(name)
    if isinstance(place, Path):
        for file in place.glob("*.safetensors"):
            try:
                with safe_open(file, framework="numpy"):
                    pass
            except SafetensorError as error:
                raise ValueError(f"{file} is damaged ({error}): make the model anew, or take another") from None
        refuse_pickles(place)
    with no_unasked_code(name):
        read_config(name, trust_remote_code=trust_remote_code)


def load_model(
    name: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """A causal language model in evaluation mode (no dropout), with groupthink's attention.

    Raises ValueError for an architecture that cannot take another attention function, for weights that are pickles,
    and, unless `trust_remote_code`, for a model that brings code of its own.
    """
    return read_weights(name, dtype, trust_remote_code).to(device)


def read_weights(name: str | Path, dtype: torch.dtype, trust_remote_code: bool, **how: Any) -> PreTrainedModel:
    """What `load_model` gives, before it goes to a device; `how` goes to `from_pretrained`. Raises as that does."""
    register_attention()
    place = resolve(name)
    refuse_pickles(place)
    with no_unasked_code(name):
        model = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=dtype,
            attn_implementation="groupthink",
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            local_files_only=isinstance(place, Path),
            **how,
        )
    return model.eval()


def new_model(
    name: str | Path,
    seed: int,
    *,
    layers: int = 0,
    device: str | torch.device = "cpu",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """A model of the shape that `name` has, in float32, its weights drawn anew by `seed`.

    `layers`: so many of its layers, the first ones; 0: all. Raises ValueError where it has fewer.
    """
    register_attention()
    with torch.random.fork_rng(devices=[]), no_unasked_code(name):
        config = read_config(name, layers=layers, trust_remote_code=trust_remote_code)
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(
            config, attn_implementation="groupthink", dtype=torch.float32, trust_remote_code=trust_remote_code
        )
    return model.eval().to(device)


def load_tokenizer(
    name: str | Path, *, trust_remote_code: bool = False, local: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer that lies with a model. `local`: the hub is not asked, and OSError raised for what is not here."""
    place = resolve(name)
    with no_unasked_code(name):
        return AutoTokenizer.from_pretrained(
            place, trust_remote_code=trust_remote_code, local_files_only=local or isinstance(place, Path)
        )


def read_context(name: str | Path, *, trust_remote_code: bool = False) -> int | None:
    """`context_of` a model by its name. Raises OSError where its config cannot be had."""
    with no_unasked_code(name):
        return context_of(read_config(name, trust_remote_code=trust_remote_code))


def stored_dtype(config: PretrainedConfig) -> torch.dtype:
    """The precision that a model's weights were saved in, as its config has it; float32 where that says nothing."""
    dtype = config.get_text_config().dtype or config.dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def refuse_pickles(place: Path | str) -> None:
    """Raise ValueError for a folder whose weights are pickles alone, which run whatever is in them when they are read.

    (Of a hub's model, too, nothing but safetensors is ever read.)
    """
    if not isinstance(place, Path) or any(place.glob("*.safetensors")):
        return
    if pickles := sorted(file.name for pattern in PICKLES for file in place.glob(pattern)):
        raise ValueError(
            f"{place} has its weights as {pickles[0]}, which is a pickle and could run any code when it is read: have "
            "them as safetensors, which save_pretrained of transformers writes, or take another model"
        )


@contextmanager
def no_unasked_code(name: str | Path) -> Iterator[None]:
    """What transformers says inside of a model with code of its own that it may not run, in the words of a recipe."""
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"the model {str(name)!r} brings code of its own, which would be run to read it: look at that code, and if "
            "you trust it set trust_remote_code=true in the recipe (eval: --trust-remote-code); or take a model that "
            "transformers knows itself"
        ) from None


def has_own_code(model: PreTrainedModel) -> bool:
    """Whether a model's class came with the model: somebody has trusted that code already."""
    return type(model).__module__.startswith("transformers_modules.")


def hide_progress_bars() -> None:
    """Keep transformers' bars for loading and saving out of the terminal, for the rest of this process."""
    transformers_logging.disable_progress_bar()


def find_device() -> torch.device:
    """The best device of this machine: cuda, mps, or else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
