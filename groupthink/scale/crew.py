"""The engines of a run as actors: how they begin, how they are heard, and who takes the place of one that is gone.

    asked for   its place is not there yet: the cluster has no room at the moment, which is no failure
    opening     its process imports torch and makes the model
    ready       it can be given weights and work

An engine that is dead, or silent for too long, is replaced in its place, as soon as the cluster has room for it. One
that fails again and again without anything finished is given up; the others go on.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from groupthink.model.workers import SIGN_OF_LIFE
from groupthink.rollout.engine import EngineFailed
from groupthink.rollout.remote import OPENING
from groupthink.rollout.vllm.process import OPENING as VLLM_OPENING
from groupthink.scale.cluster import Cluster, Place
from groupthink.scale.drawer import Opening
from groupthink.scale.engine_actor import EngineActor, Sign

GIVEN_UP = "and none follows in its place"
"""The end of a reason for which no other engine begins."""

LONGEST = 300
"""Characters of what Ray tells of a death."""


@dataclass(eq=False, slots=True)
class Post:
    """A place on the cluster, and how those did who held it."""

    index: int  # in errors: engine index + 1
    place: Place
    failures: list[str] = field(default_factory=list)  # since something was last finished here


@dataclass(eq=False, slots=True)
class Member:
    """An engine, as far as it has been heard of."""

    number: int  # of all that ever began
    post: Post
    actor: Any
    heard: float  # time.monotonic() of its last sign of life
    sign: Sign | None = None  # the last one
    asked: bool = False  # for a sign that is still to come
    due: float = 0.0  # when it is to be asked for the next one
    loads: set[int] = field(default_factory=set)  # the weights that it was given
    current: int = -1  # the newest of which it has said that it took them

    @property
    def ready(self) -> bool:
        return self.sign is not None and self.sign.ready

    @property
    def opened(self) -> bool:
        return self.sign is not None and self.sign.opened

    @property
    def name(self) -> str:
        where = f" (process {self.sign.process} on {self.sign.machine})" if self.sign else " (which was opening)"
        return f"engine {self.post.index + 1}{where}"


class Crew:
    """`later`: what is to be done with an answer that has come is given to it, for the thread that calls all else here.

    `on_loss`: told of each member that is gone. `restarts`: why engines were replaced.
    """

    def __init__(
        self,
        cluster: Cluster,
        opening: Opening,
        *,
        at_once: bool,
        later: Callable[[Callable[[], None]], None],
        on_loss: Callable[[Member], None],
    ):
        self.cluster, self.opening, self.at_once, self.later, self.on_loss = cluster, opening, at_once, later, on_loss
        self.settings, self.patience = cluster.settings, opening.rollout.patience
        self.bundle = {"CPU": self.settings.engine_cpus, "GPU": self.settings.engine_gpus}
        self.interval = min(SIGN_OF_LIFE, self.patience / 4)
        self.members: list[Member] = []
        self.restarts: list[str] = []
        self.given_up: list[Post] = []
        self._begun = self._posts = 0
        self.opening_seconds = max(self.patience, VLLM_OPENING if opening.rollout.engine == "vllm" else OPENING)
        self._looked = self._alone = time.monotonic()

    def begin(self, places: Sequence[Place]) -> None:
        for place in places:
            self._begin(Post(self._posts, place))
            self._posts += 1

    def ready(self) -> list[Member]:
        return [member for member in self.members if member.ready]

    def will_tell_a_decoder(self) -> bool:
        """Whether one has opened an engine, and has not yet said which decoder agrees: its next sign will."""
        return any(member.current >= 0 and not member.opened for member in self.members)

    def find(self, number: int) -> Member | None:
        """None: it is gone."""
        return next((member for member in self.members if member.number == number), None)

    def call(self, member: Member, reference: Any, then: Callable[[Any], None]) -> None:
        """`then`, with what a member answers; where it is dead another takes its place, and nothing is called.

        What it raised itself is raised.
        """

        def came(future: "Future[Any]") -> None:
            self.later(lambda: self._take(member, future, then))

        reference.future().add_done_callback(came)

    def look_after(self) -> None:
        """Ask for signs of life, and replace who gives none. Raises EngineFailed where nobody is left."""
        now = time.monotonic()
        if now - self._looked > 2 * self.interval + 1:  # this process itself stood still: nobody could be heard
            for member in self.members:
                member.heard += now - self._looked
            self._alone += now - self._looked
        self._looked = now
        for member in [*self.members]:
            if not member.ready and not self._has_room(member):
                member.heard = now
            limit = self.patience if member.opened else self.opening_seconds
            if now - member.heard > limit:
                self.lose(member, f"{member.name} has been silent for {limit:.0f} s")
            elif not member.asked and now >= member.due:
                self._ask_for_sign(member)
        self._require_somebody(now)

    def lose(self, member: Member, reason: str) -> None:
        """A member is gone: another begins in its place, unless those before it all failed, too."""
        if member not in self.members:
            return
        self._end(member)
        post = member.post
        post.failures.append(reason)
        self.on_loss(member)
        if len(post.failures) < self.settings.failures:
            self.restarts.append(reason)
            self._begin(post)
        else:
            self.restarts.append(f"{reason}, as {len(post.failures) - 1} before it, {GIVEN_UP}")
            self.given_up.append(post)

    def close(self) -> None:
        posts = [*self.given_up, *(member.post for member in self.members)]
        for member in [*self.members]:
            self._end(member)
        self.cluster.leave([post.place for post in posts])

    # -- one member --

    def _begin(self, post: Post) -> None:
        kind = self.cluster.ray.remote(EngineActor)
        # Calls that wait for weights and for responses are many, and none must keep a sign of life waiting.
        options = {"max_restarts": 0, "max_concurrency": 1000, **post.place.options()}
        actor = kind.options(**options).remote(self.opening, self.at_once, self.patience)
        self.members.append(Member(self._begun, post, actor, time.monotonic()))
        self._begun += 1

    def _end(self, member: Member) -> None:
        self.members.remove(member)
        self.cluster.ray.kill(member.actor, no_restart=True)

    def _ask_for_sign(self, member: Member) -> None:
        member.asked = True

        def take(sign: Sign) -> None:
            before, now = member.sign, time.monotonic()
            if before is None or (sign.progress, sign.opened) != (before.progress, before.opened):
                member.heard = now
            member.asked, member.due = False, now + (self.interval if sign.opened else 0.0)
            told = before.restarts if before else ()
            self.restarts.extend(f"engine {member.post.index + 1}: {reason}" for reason in sign.restarts[len(told) :])
            member.sign = sign
            # Who comes later would try decoders on later weights, of which another may be found to agree: it rounds
            # otherwise.
            self.opening = replace(self.opening, decoder=self.opening.decoder or sign.decoder)

        self.call(member, member.actor.sign.remote(), take)

    def _take(self, member: Member, future: "Future[Any]", then: Callable[[Any], None]) -> None:
        exceptions = self.cluster.ray.exceptions
        if member not in self.members:
            return  # the last words of one that was replaced
        try:
            then(future.result())
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, EngineFailed):  # a process of its own failed too often: another may do better
                self.lose(member, f"{member.name} gave up: {error.cause}")
                return
            raise RuntimeError(f"{member.name} failed:\n{error}") from error
        except exceptions.RayError as error:  # its process, its machine, or the way there
            self.lose(member, f"{member.name} died: {said(error)}")

    def _has_room(self, member: Member) -> bool:
        table = self.cluster.ray.util.placement_group_table(member.post.place.group)
        return table.get("state", "CREATED") == "CREATED"

    def _require_somebody(self, now: float) -> None:
        if not self.members:
            told = [failure for post in self.given_up for failure in post.failures]
            raise EngineFailed(
                f"every engine failed {self.settings.failures} times in a row, and finished nothing in between:\n"
                + "\n".join(f"  {place}. {failure}" for place, failure in enumerate(told, 1))
            )
        if any(member.ready or self._has_room(member) for member in self.members):
            self._alone = now
        elif now - self._alone > self.settings.patience:
            raise EngineFailed(
                f"no engine is left, and there was no room for another within {self.settings.patience:g} s: "
                + self.cluster.missing([self.bundle])
            )


def said(error: Exception) -> str:
    """What Ray tells of a death, without what everybody knows.

    >>> said(Exception("The actor died.\\n\\tpid: 7\\nThe actor is dead because its worker process has died."))
    'its worker process has died.'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    because = [line.partition("because ")[2] for line in lines if line.startswith("The actor is dead because ")]
    told = (because or lines[-1:] or [type(error).__name__])[0]
    return told.partition(" Some common causes")[0][:LONGEST]
