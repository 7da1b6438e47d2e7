"""An engine at work for many at once: who joins late, leaves early or asks for less draws what it would have alone."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.rollout.engine import EngineFailed, NoMemory, NoRoom, Sampling
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.web.serve import lane as lanes
from groupthink.web.serve import running as module
from groupthink.web.serve.lane import Lane
from groupthink.web.serve.running import Busy, Running
from tests.tiny import tiny

PROMPTS = [np.array(prompt) for prompt in ([5, 9, 33], [4] * 12 + [7], [88, 2, 3, 5, 70, 71], [50])]
KIND = "qwen3"


def engine(**more):
    return TorchEngine(tiny(KIND, **more.pop("changes", {})), build_tokenizer(), **more)


def endless(**more):
    """One that stops at nothing but a limit."""
    made = engine(changes={"max_position_embeddings": 100_000, "eos_token_id": None}, **more)
    made.stop_ids = frozenset()
    made._is_stop_V[:] = False
    return made


@asynccontextmanager
async def at_work(made, **more):
    running = Running([Lane(one, **more) for one in (made if isinstance(made, list) else [made])])
    running.start()
    try:
        yield running
    finally:
        running.close()


async def each(generation):
    """Its pieces, one by one."""
    async for pieces in generation:
        for piece in pieces:
            yield piece


async def collect(generation):
    """Token ids and ends of each response."""
    ids, ends = {}, {}
    async for piece in each(generation):
        assert piece.response not in ends, "after its end nothing comes"
        ids.setdefault(piece.response, []).extend(token.id for token in piece.tokens)
        if piece.finish:
            ends[piece.response] = piece.finish
    return [ids.get(j, []) for j in range(len(ids))], [ends.get(j) for j in range(len(ids))]


def alone(prompt, sampling, seed):
    return [response.token_ids_T.tolist() for response in engine().submit(prompt, sampling, seed).result()]


async def until(true, seconds=20.0):
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it never came about"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("follow", [True, False])
def test_whoever_joins_when_draws_as_if_alone(follow, count):
    sampling = Sampling(40, n=3)
    expected = [alone(prompt, sampling, i) for i, prompt in enumerate(PROMPTS)]

    async def all_of_them():
        async with at_work([engine(max_sequences=7) for _ in range(count)]) as running:
            tasks = []
            for i, prompt in enumerate(PROMPTS):
                tasks.append(asyncio.create_task(collect(running.submit(prompt, sampling, i, follow=follow))))
                await asyncio.sleep(0.01 * i)
            found = await asyncio.gather(*tasks)
            await until(lambda: running.rows == 0)
            assert (
                sum(lane.load for lane in running.lanes) == 0
                and running.finished == 12
                and running.tokens == sum(len(ids) for one in expected for ids in one)
            )
            return found

    for (ids, ends), wanted in zip(asyncio.run(all_of_them()), expected, strict=True):
        assert ids == wanted and set(ends) <= {"stop", "length"}


def test_tokens_are_told_while_they_are_drawn():
    async def first_pieces():
        async with at_work(endless()) as running:
            generation = running.submit(PROMPTS[0], Sampling(50_000), 1)
            pieces = each(generation)
            counts = [len((await anext(pieces)).tokens) for _ in range(4)]
            assert sum(counts) < 5_000 and running.rows == 1
            generation.cancel()
            await until(lambda: running.rows == 0)
            assert running.cancelled == 1

    asyncio.run(first_pieces())


def test_one_response_can_end_before_the_others():
    async def some():
        async with at_work(endless()) as running:
            generation = running.submit(PROMPTS[0], Sampling(300, n=3), 1)
            ended = False
            ids = {j: 0 for j in range(3)}
            async for piece in each(generation):
                ids[piece.response] += len(piece.tokens)
                if piece.response == 1 and not ended:
                    generation.end(1)
                    ended = True
            assert ids[0] == ids[2] == 300 and ids[1] < 300
            await until(lambda: running.rows == 0)

    asyncio.run(some())


def test_what_has_no_place_waits_in_its_turn_and_may_go():
    async def three():
        async with at_work(endless(max_sequences=4)) as running:
            first = running.submit(PROMPTS[0], Sampling(50_000, n=3), 1)
            second = running.submit(PROMPTS[1], Sampling(50_000, n=2), 1)
            third = running.submit(PROMPTS[2], Sampling(20, n=1), 1)  # there is room, and it is not its turn
            await until(lambda: running.rows == 3 and running.waiting == 2)
            await asyncio.sleep(0.1)
            assert running.rows == 3 and running.waiting == 2
            second.cancel()
            ids, ends = await collect(third)
            assert len(ids[0]) == 20 and ends == ["length"]
            first.cancel()
            await until(lambda: not running.rows and not running.waiting)
            assert running.cancelled == 5

    asyncio.run(three())


def test_no_more_rows_than_there_is_memory_for():
    async def bounded():
        async with at_work(endless(), bytes_per_token=10, memory=10 * 2 * 1003) as running:
            with pytest.raises(NoMemory, match="3 responses of up to 1003 tokens"):
                running.submit(PROMPTS[0], Sampling(1000, n=3), 1)
            generations = [running.submit(PROMPTS[0], Sampling(1000), seed) for seed in range(5)]
            tasks = [asyncio.create_task(collect(generation)) for generation in generations]
            most = 0
            while not all(task.done() for task in tasks):
                most = max(most, running.rows)
                await asyncio.sleep(0.002)
            assert most == 2
            assert [len(task.result()[0][0]) for task in tasks] == [1000] * 5

    asyncio.run(bounded())


def test_what_cannot_be_answered_is_refused_at_once():
    async def refused():
        async with at_work(engine()) as running:
            with pytest.raises(NoRoom, match="context"):
                running.submit(np.arange(300) % 100, Sampling(5), 1)
            with pytest.raises(ValueError, match="no tokens"):
                running.submit(np.zeros(0, np.int64), Sampling(5), 1)

    asyncio.run(refused())


def test_no_more_wait_than_may(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def full():
        async with at_work(endless(max_sequences=1)) as running:
            held = [running.submit(PROMPTS[0], Sampling(50_000), 1)]
            await until(lambda: running.rows == 1)
            held += [running.submit(PROMPTS[0], Sampling(5), 1) for _ in range(2)]
            await until(lambda: len(running.lanes[0].waiting) == 2)
            with pytest.raises(Busy):
                running.submit(PROMPTS[0], Sampling(5), 1)
            held[1].cancel()
            await until(lambda: running.waiting == 1)
            held.append(running.submit(PROMPTS[0], Sampling(5), 1))
            for one in held:
                one.cancel()
            await until(lambda: running.waiting == 0)

    asyncio.run(full())


def test_who_came_while_a_step_takes_long_waits_as_well(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def full():
        made, let = endless(max_sequences=1), threading.Event()
        async with at_work(made) as running:
            step = made.step
            made.step = lambda: (let.wait(20), step())
            held = [running.submit(PROMPTS[0], Sampling(5), 1)]
            await until(lambda: running.waiting == 0)  # the thread is in its step, and takes no orders
            held += [running.submit(PROMPTS[0], Sampling(5), 1) for _ in range(2)]
            with pytest.raises(Busy):
                running.submit(PROMPTS[0], Sampling(5), 1)
            let.set()
            for one in held:
                assert len((await collect(one))[0][0]) == 5

    asyncio.run(full())


def test_an_error_reaches_who_waits_and_the_next_are_served():
    async def failing():
        made = engine()
        async with at_work(made) as running:
            step, made.step = made.step, lambda: (_ for _ in ()).throw(ArithmeticError("no sense in it"))
            with pytest.raises(EngineFailed, match=r"ArithmeticError\): no sense in it"):
                await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            made.step = step
            ids, _ = await collect(running.submit(PROMPTS[0], Sampling(5, n=2), 1))
            assert ids == alone(PROMPTS[0], Sampling(5, n=2), 1)

    asyncio.run(failing())


def test_an_engine_that_cannot_go_on_says_so():
    async def broken():
        made = engine()
        async with at_work(made) as running:
            made.step = made.abandon = lambda: (_ for _ in ()).throw(ArithmeticError("broken"))
            with pytest.raises(EngineFailed):
                await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            await until(lambda: running.failed is not None)
            with pytest.raises(EngineFailed, match="nothing is drawn any more: broken"):
                running.submit(PROMPTS[0], Sampling(5), 1)
            before = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - before < 0.1, "it rests"

    asyncio.run(broken())


def test_who_came_while_it_failed_is_told_so_too():
    async def late():
        made, let = engine(), threading.Event()
        async with at_work(made) as running:
            made.step = lambda: (let.wait(20), {}["broken"])
            made.abandon = lambda: {}["broken"]
            first = asyncio.create_task(collect(running.submit(PROMPTS[0], Sampling(5), 1)))
            await until(lambda: running.waiting == 0)
            second = asyncio.create_task(collect(running.submit(PROMPTS[0], Sampling(5), 1)))
            await asyncio.sleep(0)
            let.set()
            for one in (first, second):
                with pytest.raises(EngineFailed, match="broken"):
                    await asyncio.wait_for(one, 20)

    asyncio.run(late())


def test_who_is_refused_memory_on_the_way_in_is_told():
    async def refused():
        made = engine()
        async with at_work(made) as running:
            made.decoder.reserve = lambda *_: {}["no memory"]
            with pytest.raises(EngineFailed, match="no memory"):
                await asyncio.wait_for(collect(running.submit(PROMPTS[0], Sampling(5), 1)), 20)
            del made.decoder.reserve
            ids, _ = await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            assert ids == alone(PROMPTS[0], Sampling(5), 1)

    asyncio.run(refused())


def test_at_the_end_who_waits_is_told():
    async def ended():
        async with at_work(endless(max_sequences=1)) as running:
            tasks = [asyncio.create_task(collect(running.submit(PROMPTS[0], Sampling(50_000), i))) for i in range(3)]
            await until(lambda: running.rows == 1)
            running.stop()
            for found in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(found, EngineFailed) and "shutting down" in str(found)
            with pytest.raises(EngineFailed):
                running.submit(PROMPTS[0], Sampling(5), 1)
        assert not running.lanes[0]._thread.is_alive()

    asyncio.run(ended())


def test_memory_is_given_back_when_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(lanes, "REST", 0.05)

    async def resting():
        made = engine()
        async with at_work(made) as running:
            await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            await until(lambda: not made.decoder.caches)
            ids, _ = await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            assert ids == alone(PROMPTS[0], Sampling(5), 1)

    asyncio.run(resting())


def test_the_likeliest_come_with_their_tokens():
    async def likely():
        async with at_work(engine()) as running:
            drawn = []
            async for piece in each(running.submit(PROMPTS[0], Sampling(40, temperature=0.0), 1, likeliest=3)):
                drawn += piece.tokens
            for token in drawn:
                (best, logprob), *others = token.likely
                assert best == token.id and logprob == pytest.approx(token.logprob, abs=1e-5)
                assert len(others) == 2 and others[0][1] <= logprob

    asyncio.run(likely())


def test_each_goes_where_least_is_wanted():
    async def dealt():
        async with at_work([endless() for _ in range(2)]) as running:
            first, second = running.lanes
            asked = [running.submit(PROMPTS[0], Sampling(50_000, n=n), n) for n in (3, 1, 1, 1, 2)]
            assert [one.lane for one in asked] == [first, second, second, second, first]
            asked[0].cancel()
            asked[0].cancel()
            assert (first.load, second.load) == (2, 3)
            await until(lambda: running.rows == 5)
            for one in asked:
                one.cancel()
            await until(lambda: running.rows == 0)
            assert first.load == second.load == 0

    asyncio.run(dealt())


def test_one_lane_that_fails_leaves_the_others():
    async def broken():
        made = [engine(), engine()]
        async with at_work(made) as running:
            made[0].step = made[0].abandon = lambda: (_ for _ in ()).throw(ArithmeticError("broken"))
            with pytest.raises(EngineFailed):
                await collect(running.submit(PROMPTS[0], Sampling(5), 1))
            await until(lambda: running.lanes[0].failed is not None)
            for _ in range(3):
                ids, _ = await collect(running.submit(PROMPTS[0], Sampling(5, n=2), 1))
                assert ids == alone(PROMPTS[0], Sampling(5, n=2), 1)
            assert running.failed is None

    asyncio.run(broken())
