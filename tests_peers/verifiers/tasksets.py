"""A set of tasks of the library's second interface, as its users write them."""

import itertools

import verifiers.v1 as vf

__all__ = ["SumTaskset"]


class SumData(vf.TaskData):
    answer: int


class SumTask(vf.Task[SumData]):
    @vf.reward(weight=1.0)
    async def right(self, trace):
        return float(trace.last_reply == str(self.data.answer))

    @vf.reward(weight=0.5)
    async def thoughtful(self, trace):
        return float(bool(trace.assistant_messages[-1].reasoning_content))

    @vf.metric
    async def asked(self, trace):
        return float(len(trace.messages))


class SumConfig(vf.TasksetConfig):
    largest: int = 20


class SumTaskset(vf.Taskset[SumTask, SumConfig]):
    def load(self):
        return [
            SumTask(SumData(idx=n, prompt=f"{n}+1=", system_prompt="Add.", answer=n + 1), self.config.task)
            for n in range(self.config.largest)
        ]


class EndlessTaskset(vf.Taskset[SumTask, vf.TasksetConfig]):
    INFINITE = True

    def load(self):
        for n in itertools.count():
            yield SumTask(SumData(idx=n, prompt=f"{n}+1=", answer=n + 1), self.config.task)


class BoxTask(vf.Task[SumData]):
    @vf.reward
    async def passes(self, runtime: vf.Runtime):
        return 1.0


class BoxTaskset(vf.Taskset[BoxTask, vf.TasksetConfig]):
    def load(self):
        return [BoxTask(SumData(idx=0, prompt="0+1=", answer=1), self.config.task)]
