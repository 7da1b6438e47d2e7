"""Environments of the library's first interface, as its users write them."""

import verifiers as vf
from datasets import Dataset


def load_environment(largest=20, own=False):
    """Sums, in one turn, by a rubric of two functions."""

    def right(completion, answer):
        return float(completion[-1]["content"].rpartition("</think>")[2].strip() == answer)

    async def brief(completion):
        return float(len(completion[-1]["content"]) < 40)

    def seen(completion, state, info):
        return len(state["trajectory"]) * info["level"]

    rubric = vf.Rubric(funcs=[right, brief], weights=[1.0, 0.5])
    rubric.add_metric(seen)
    return vf.SingleTurnEnv(
        dataset=sums(range(largest)),
        eval_dataset=sums(range(100, 105)) if own else None,
        system_prompt="Add.",
        rubric=rubric,
    )


def sums(numbers):
    return Dataset.from_list([{"question": f"{n}+1=", "answer": str(n + 1), "info": {"level": n}} for n in numbers])


class Guessing(vf.MultiTurnEnv):
    """A number is guessed, in at most three turns; what is too low or too high is told."""

    bears_words = False

    async def setup_state(self, state):
        state["guesses"] = []
        return state

    @vf.stop
    async def found(self, state):
        return self._last(state) == state["answer"]

    async def env_response(self, messages, state, **kwargs):
        guess = self._last(state)
        state["guesses"].append(guess)
        number = 99 if self.bears_words and not guess.isdecimal() else int(guess)
        told = "too low" if number < int(state["answer"]) else "too high"
        return [{"role": "user", "content": told}]

    def _last(self, state):
        steps = state["trajectory"]
        return steps[-1]["completion"][-1]["content"] if steps else None


def load_guessing(largest=20, bears_words=False):
    def right(state, answer):
        return float(state["trajectory"][-1]["completion"][-1]["content"] == answer)

    def soon(state):
        return 1.0 / len(state["trajectory"])

    dataset = Dataset.from_list([{"question": f"guess {n}", "answer": str(n)} for n in range(largest)])
    environment = Guessing(dataset=dataset, max_turns=3, rubric=vf.Rubric(funcs=[right, soon], weights=[1.0, 0.5]))
    environment.bears_words = bears_words
    return environment


def load_with_tools():
    def double(number: int) -> int:
        """Twice a number."""
        return 2 * number

    return vf.ToolEnv(dataset=sums(range(20)), tools=[double], rubric=vf.Rubric(funcs=[lambda completion: 1.0]))


def load_without_rewards():
    return vf.SingleTurnEnv(dataset=sums(range(20)), rubric=vf.Rubric())
