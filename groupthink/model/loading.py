"""Where a model lies, and how it is read: safetensors and JSON only, never code or pickles."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from groupthink.model.attention import register_attention

NANO = Path(__file__).parent.parent / "nano" / "model"


def resolve(name: str | Path) -> Path | str:
    """The folder that `name` stands for; a name that is no folder here is a hub id, returned as it is.

    `name`: "nano" (the bundled model), a run directory (its final model, or else its newest complete
    checkpoint), a checkpoint, or a folder in Hugging Face format. Raises ValueError for a folder
    that holds no model.
    """
    if name == "nano":
        return NANO
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if isinstance(name, Path) or folder.is_absolute() or str(name).startswith(("~", ".")):
            raise ValueError(
                f"there is no folder {str(name)!r}: give a run, a checkpoint, a model's folder or a hub id"
            )
        return str(name)
    # What a checkpoint must hold is written last, as its complete.json: without that it is damaged.
    checkpoints = [sealed.parent for sealed in sorted(folder.glob("checkpoints/step-*/complete.json"), reverse=True)]
    for candidate in (folder, folder / "model", *checkpoints):
        if (candidate / "config.json").is_file():
            return candidate
    raise ValueError(f"{str(name)!r} holds no model: neither config.json, model/, nor a complete checkpoint")


def require_model(name: str, tell: Callable[[str], None]) -> None:
    """Raise ValueError for a model that cannot be had or is damaged, before anything is begun.

    `tell` hears that the hub is asked, which may take its time.
    """
    place = resolve(name)
    if isinstance(place, Path):
        for file in place.glob("*.safetensors"):
            try:
                with safe_open(file, framework="numpy"):
                    pass
            except SafetensorError as error:
                raise ValueError(f"{file} is damaged ({error}): make the model anew, or take another") from None
        return
    tell(f"{name} is no folder here: asking the Hugging Face hub for it")
    try:
        AutoConfig.from_pretrained(place, trust_remote_code=False)
    except OSError as error:
        raise ValueError(
            f"there is no model {name!r}: it is no folder here, and the hub did not give it "
            f"({str(error).partition(chr(10))[0]}); take nano, a run, a checkpoint, a model's folder or a hub id"
        ) from error


def load_model(
    name: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A causal language model in evaluation mode (no dropout), with groupthink's attention.

    Raises ValueError for an architecture that cannot take another attention function.
    """
    register_attention()
    place = resolve(name)
    model = AutoModelForCausalLM.from_pretrained(
        place,
        dtype=dtype,
        attn_implementation="groupthink",
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=isinstance(place, Path),
    )
    return model.eval().to(device)


def new_model(name: str | Path, seed: int, *, device: str | torch.device = "cpu") -> PreTrainedModel:
    """A model of the shape that `name` has, in float32, its weights drawn anew by `seed`."""
    register_attention()
    place = resolve(name)
    config = AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=isinstance(place, Path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="groupthink", dtype=torch.float32)
    return model.eval().to(device)


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer that lies with a model."""
    place = resolve(name)
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=isinstance(place, Path))


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
