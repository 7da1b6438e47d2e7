"""An Engine whose prompts are drawn by many: each a local engine on some machine of a cluster, as an actor of Ray.

    submit, start   prompts join one queue (`queue.py`); who is free is given more, so a long response holds nobody up
    load            weights are put where engines find them (`weights.py`); each takes them when their turn comes
    result          waits; the work of an engine that is gone is given to others at once (`crew.py`)

A thread of this process hears the engines and deals, so that nobody is idle while this one learns. It owns all that is
known of engines and work; other threads send it orders. Which weights a response is drawn from is decided by the order
of calls here, and not by who draws it, or when.
"""

import queue
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.records import Response, Weights
from groupthink.rollout.engine import EngineFailed, Sampling
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.sync import require_fit
from groupthink.rollout.vllm.request import require_law, require_room
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.cluster import Cluster, tell
from groupthink.scale.crew import Crew, Member
from groupthink.scale.drawer import Opening
from groupthink.scale.queue import Queue, QueuedHandle, Work
from groupthink.scale.weights import DeliveredWeights, Delivery, deliver, require_delivered

WAIT = 0.5
"""Seconds for which anybody waits at a time, before looking around."""


class RayEngines:
    """`model` is what they draw from until something is loaded; nothing is drawn here, and it may change meanwhile.

    Raises EngineFailed where no engine is left, each having failed `scale.failures` times without anything finished,
    or where the cluster has room for none within `scale.patience`; and RuntimeError with what an engine itself raised.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rollout: RolloutSettings,
        vllm: VllmSettings,
        cluster: Cluster,
    ):
        self.rollout, self.transport = rollout, cluster.settings.transport
        self.like: dict[str, Tensor] = dict(model.named_parameters())
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**62
        self.context = min(context, vllm.context or context) if rollout.engine == "vllm" else context
        at_once = bool(rollout.lag) and rollout.lag_by == "time"
        self.queue = Queue(cluster.settings.prompts, at_once)
        self.deliveries: dict[int, Delivery] = {}  # by the number of their load; the thread's own
        self.newest: tuple[int, Delivery] | None = None  # the load that came last, and its number
        self.tickets = 0
        self.collected: list[Work] = []  # submitted and not yet sent
        self.failed: BaseException | None = None
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self.crew = Crew(
            cluster,
            Opening.of(model, tokenizer, rollout, vllm, self.transport),
            at_once=at_once,
            later=self._events.put,
            on_loss=self._lose,
        )
        self.restarts = self.crew.restarts
        first = cluster.settings.least_engines or cluster.settings.engines
        tell(f"{first} engines begin")
        self.crew.begin(cluster.reserve([self.crew.bundle] * first, f"{first} engines (scale.engines)"))
        self._thread = threading.Thread(target=self._work, name="groupthink-engines", daemon=True)
        self._thread.start()

    def invite(self) -> None:
        """Ask for places for those beyond `scale.least_engines`, once all who must have one have theirs."""
        settings = self.crew.settings
        more = settings.engines - (settings.least_engines or settings.engines)
        if more:
            self.order(lambda: self.crew.begin(self.crew.cluster.expect([self.crew.bundle] * more)))

    # -- the protocol --

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> QueuedHandle:
        """Raises ValueError for a prompt that no engine could answer."""
        require_room(prompt_ids, self.context)
        if self.rollout.engine == "vllm":
            require_law(sampling.temperature, sampling.top_p, sampling.top_k)
        if self.newest is None:
            self.load(Weights(0, self.like))
        assert self.newest is not None
        work = Work(self.tickets, self.newest[0], (prompt_ids, sampling, seed))
        self.tickets += 1
        self.collected.append(work)
        return QueuedHandle(self, work)

    def load(self, weights: Weights) -> None:
        """Raises ValueError where the weights are not this model's.

        Without a lag it returns when all engines that are there have them: what it takes is the time of a sync.
        """
        if not isinstance(weights, DeliveredWeights):
            require_fit(weights.tensors, self.like)
            weights = Weights(weights.version, {name: weights.tensors[name] for name in self.like})
        self.send_off()
        number = 0 if self.newest is None else self.newest[0] + 1
        self.newest = number, deliver(weights, self.transport)
        self.order(partial(self._hold, *self.newest))
        if not self.rollout.lag:
            self.wait(lambda: self._all_have(number))

    def verify(self, weights: Weights) -> None:
        """Each engine has compared what it decodes with with what was sent, as it took it: are these what was sent?"""
        if self.newest is None:
            self.load(Weights(0, self.like))
        assert self.newest is not None
        if not isinstance(weights, DeliveredWeights):
            require_fit(weights.tensors, self.like)
        require_delivered(weights, self.newest[1])

    def release(self) -> None:
        def tell() -> None:
            for member in self.crew.ready():
                member.actor.release.remote()

        self.order(tell)

    def close(self) -> None:
        self._events.put(None)
        self._thread.join(timeout=30)
        self.crew.close()

    # -- what handles ask for --

    def order(self, do: Callable[[], None]) -> None:
        """Have the thread do something."""
        self._events.put(do)

    def send_off(self) -> None:
        """Put what was submitted since the last time into the queue."""
        works, self.collected = [work for work in self.collected if not work.cancelled], []
        if works:
            self.order(lambda: self.queue.waiting.extend(works))

    def cancel(self, work: Work) -> None:
        def drop() -> None:
            if work.engine is not None and (member := self.crew.find(work.engine)):
                member.actor.cancel.remote(work.ticket)
                self.queue.drop(member.number, work.ticket)

        self.order(drop)

    def wait(self, until: Callable[[], bool]) -> None:
        """Raises what the thread met with. (It ends every wait: each engine is heard of, or replaced, in time.)"""
        with self._changed:
            while not until():
                if self.failed is not None:
                    raise self.failed
                if not self._thread.is_alive():
                    raise EngineFailed("the engines were closed while responses were waited for")
                self._changed.wait(WAIT)

    # -- the thread --

    def _work(self) -> None:
        looked = 0.0
        while True:
            try:
                event = self._next_event()
                if event is None:
                    return
                event()
                if self.failed is None:
                    if time.monotonic() - looked > WAIT:
                        self.crew.look_after()
                        looked = time.monotonic()
                    self._deal()
            except BaseException as error:  # it is raised where somebody waits
                self.failed = self.failed or error
            with self._changed:
                self._changed.notify_all()

    def _next_event(self) -> Callable[[], None] | None:
        try:
            return self._events.get(timeout=WAIT)
        except queue.Empty:
            return lambda: None

    def _lose(self, member: Member) -> None:
        self.queue.lost(member.number)

    def _hold(self, number: int, delivery: Delivery) -> None:
        self.deliveries[number] = delivery
        for member in self.crew.ready():
            self._give(member, number)

    def _give(self, member: Member, load: int) -> None:
        """Weights, unless it has been given them, or would try decoders on other ones than the first to open has."""
        if load in member.loads or (member.current < 0 and self.crew.will_tell_a_decoder()):
            return
        needed = frozenset(self.queue.needed(self.deliveries))
        member.loads = (member.loads & needed) | {load}

        def take(taken: int) -> None:
            member.current = max(member.current, taken)

        found = self.crew.opening.decoder
        self.crew.call(member, member.actor.give.remote(load, self.deliveries[load], needed, found), take)

    def _deal(self) -> None:
        """Give out work, and with it the weights that it is to be drawn from; forget those that nobody needs."""
        if not self.deliveries:
            return
        for member in self.crew.ready():
            self._give(member, max(self.deliveries))
        able = self.able()
        for number, work in self.queue.deal([member.number for member in able]):
            member = next(it for it in able if it.number == number)
            load = self.queue.load_for(work, self.deliveries)
            self._give(member, load)
            answer = member.actor.draw.remote(work.ticket, load, work.request)
            self.crew.call(member, answer, partial(self._finish, member, work))
        needed = self.queue.needed(self.deliveries)
        self.deliveries = {number: held for number, held in self.deliveries.items() if number in needed}

    def able(self) -> list[Member]:
        """Those that have opened an engine: the first weights may take one long, and nobody is to wait for that."""
        return [member for member in self.crew.ready() if member.current >= 0]

    def _finish(self, member: Member, work: Work, responses: tuple[Response, ...] | None) -> None:
        if responses is not None and self.queue.finished(member.number, work.ticket, responses):
            member.post.failures.clear()

    def _all_have(self, number: int) -> bool:
        having = [member.current >= number for member in self.able()]
        return bool(having) and all(having)
