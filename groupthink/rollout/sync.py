"""Does an engine decode with the weights that it should? Its own words for it, compared with the learner's."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from groupthink.records import Weights
from groupthink.rollout.checksum import checksum

NAMED = 4  # tensors in a message


def expected_of(weights: Weights, names: Mapping[str, str]) -> dict[str, int]:
    """Checksums by every name of a tensor; `names` gives for each the one under which `weights` has it."""
    found: dict[str, int] = {}
    for source in sorted(set(names.values())):
        found[source] = checksum(weights.tensors[source])
    return {name: found[source] for name, source in names.items()}


def require_same(expected: Mapping[str, int], version: int, found: Mapping[str, int], found_version: str) -> None:
    """Raise RuntimeError where the engine's version or any tensor that it decodes with is not the learner's."""
    require_version(version, found_version)
    unread = sorted(expected.keys() - found.keys())
    unsent = sorted(found.keys() - expected.keys())
    if unread or unsent:
        raise RuntimeError(
            f"the engine's tensors are not the learner's: it does not decode with {_some(unread)}, and decodes with "
            f"{_some(unsent)}, which were not sent"
        )
    stale = [name for name, right in expected.items() if found[name] != right]
    if stale:
        raise RuntimeError(
            f"the engine says that it draws from version {version}, but {len(stale)} of the {len(expected)} tensors "
            f"that it decodes with are not the learner's: {_some(stale)}. They were not synced, or only in part"
        )


def require_version(version: int, found: int | str) -> None:
    """Raise RuntimeError where the engine draws from other weights than those of `version`."""
    if str(found) != str(version):
        raise RuntimeError(
            f"the engine draws from weights of version {found}, and the learner is at version {version}: "
            "a sync was left out"
        )


def require_fresh(stale: Sequence[str], version: int) -> None:
    """Raise RuntimeError where there is a tensor that is not what weights of `version` make of it."""
    if stale:
        raise RuntimeError(
            f"the engine says that it draws from version {version}, but of the tensors that it decodes with these are "
            f"not the learner's: {_some(list(stale))}. They were not synced, or only in part"
        )


def different(held: Iterable[tuple[str, Tensor]], fresh: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names under which two rows of tensors do not hold the same values. What is one tensor is not looked at."""
    pairs = zip(held, fresh, strict=True)
    return [name for (name, own), (_, now) in pairs if own.data_ptr() != now.data_ptr() and not _equal(own, now)]


def _equal(own: Tensor, now: Tensor) -> bool:
    own, now = own.detach(), now.detach().to(own.device)
    return torch.equal(own, now) or bool(((own == now) | (own.isnan() & now.isnan())).all())  # NaN is another fault


def require_fit(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """Raise ValueError where `tensors` are not of the model whose tensors are `like`."""
    missing = like.keys() - tensors.keys()
    odd = [name for name, own in like.items() if name not in missing and tensors[name].shape != own.shape]
    if missing or odd:
        raise ValueError(
            f"these are not this model's weights: missing {sorted(missing)[:3]}, of another shape {sorted(odd)[:3]}; "
            "give the tensors of the same architecture by their Hugging Face names"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(names[:NAMED]) or "nothing") + more
