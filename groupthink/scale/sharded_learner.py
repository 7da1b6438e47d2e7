"""A learner on one of several ranks: what it is alone, with its tensors shared out among them."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from transformers import PreTrainedModel

from groupthink.model.shares import read_shares, shapes_in, write_joined, write_shares
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.passes import Passes
from groupthink.policy.settings import PolicySettings
from groupthink.scale.ranks import Ranks

OPTIMIZER = "optimizer"
"""In a checkpoint, the folder of the optimizer's tensors, a file for each rank."""

REFERENCE = "reference"
"""Likewise, of the reference's where it is not the policy that the run began with."""

MASTER = "master"
"""Of a parameter of lower precision than float32: what it is rounded from."""


class ShardedLearner(Learner):
    """`Learner` on each rank of `mesh`: all are asked the same, in the same order, and give the same answers.

    Its weights, gradients and moments lie on the ranks by rows (`sharding`). `model` is read whole by every rank and
    then cut: on the processor's side, from files that all ranks of a machine have mapped.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        reference: PreTrainedModel | None,
        settings: PolicySettings,
        objective: ObjectiveSettings,
        mesh: DeviceMesh,
        *,
        total_steps: int,
        temperature: float,
    ):
        self.mesh, self.group, self.dtype = mesh, mesh.get_group(), model.dtype

        def ranks(passes: Passes) -> Ranks:
            self.ranks = Ranks(passes, mesh)
            return self.ranks

        super().__init__(
            model,
            reference,
            settings,
            objective,
            total_steps=total_steps,
            temperature=temperature,
            side_by_side=ranks,
        )

    def write_model(self, folder: Path) -> None:
        """A model like any other, of which no rank has held more than its rows. All ranks write into one folder."""
        written = {name: tensor.to(self.dtype) for name, tensor in self._own_parameters().items()}
        write_joined(written, folder, self.group)
        self._once(lambda: self._write_configuration(folder))

    def save(self, folder: Path) -> None:
        """What `Learner.save` writes; the optimizer's tensors lie in a folder, a file for each rank."""
        self.write_model(folder)
        write_shares(self._moments() | self._masters(), folder / OPTIMIZER, self.group)
        if self._reference_moves:
            write_shares(self._references(), folder / REFERENCE, self.group)
        self._once(lambda: self._write_state(folder))

    def _restore_tensors(self, folder: Path) -> None:
        """From what any number of ranks has saved, or a learner alone."""
        beside = folder / OPTIMIZER if (folder / OPTIMIZER).is_dir() else folder
        held, masters = shapes_in(beside), self._masters()
        if masters and masters.keys() <= held.keys():
            read_shares(masters, beside, self.group)
        else:
            read_shares(self._own_parameters(), folder, self.group)
        self.optimizer.state.clear()
        for name, parameter in self.parameters.items():
            if f"{name}/step" in held:
                self.optimizer.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        read_shares(self._moments(), beside, self.group)
        if self._reference_moves:
            apart = (folder / REFERENCE).is_dir()
            read_shares(self._references(), folder / REFERENCE if apart else folder, self.group)

    # -- what lies on this rank --

    def _own_parameters(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in self.model.named_parameters()}

    def _masters(self) -> dict[str, Tensor]:
        """The parameters under the names of masters, where they are to be rounded."""
        low = self.dtype.itemsize < torch.float32.itemsize
        return {f"{name}/{MASTER}": tensor for name, tensor in self._own_parameters().items()} if low else {}

    def _moments(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": value.detach()
            for name, parameter in self.parameters.items()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def _references(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self._reference_parameters()}

    # -- what one rank does for all --

    def _once(self, write: Callable[[], None]) -> None:
        """One rank writes, and all go on when it has."""
        if self.mesh.get_local_rank() == 0:
            write()
        dist.barrier(self.group)

    def _write_configuration(self, folder: Path) -> None:
        self.model.config.save_pretrained(folder)
        if self.model.can_generate():
            self.model.generation_config.save_pretrained(folder)
