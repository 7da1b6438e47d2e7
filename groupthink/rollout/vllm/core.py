"""vLLM as groupthink sees it: it is given prompts and seeds, and gives tokens with their log-probabilities.

    add, add, ...   step, step, ...   pieces of responses
    load            new weights in place, under which what is unfinished goes on
    decoded_with    checksums of the tensors that it decodes with

Works in the process that it is made in. Imported where vLLM is installed, and needs nothing of the model's own.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

# Read when vLLM is imported, or when it is opened.
os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # this process is the engine's: it is what is killed and restarted
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")

from vllm.platforms import current_platform

if current_platform.is_cpu():
    # Else a first step calls for a C++ compiler, to count ranks that nobody asked for. Read by what is imported next.
    current_platform.simple_compile_backend = "eager"

from vllm import EngineArgs, SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.llm_engine import LLMEngine

from groupthink.rollout.vllm.pieces import Draw, Key, Piece, Plan, Span
from groupthink.rollout.vllm.weights import decoded_with

NOTHING = "-1"  # the version of the random weights that it is opened with

BLOCK = 32  # tokens of a block of keys and values on a CPU: whole ones are shared in a group; smaller ones do not work


class VllmCore:
    """A vLLM engine with random weights, until `load` brings some."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.on_cpu = current_platform.is_cpu()
        set_num_threads = torch.set_num_threads
        self._engine = LLMEngine.from_engine_args(EngineArgs(**self._arguments()))
        self._engine.set_weight_version(NOTHING)
        torch.set_num_threads = set_num_threads  # vLLM puts another in its place, which does nothing
        self._asleep = False
        self._warm_up()

    @property
    def busy(self) -> bool:
        return self._engine.has_unfinished_requests()

    @property
    def version(self) -> str:
        """As vLLM has it, which labels every token with it."""
        return self._engine.get_weight_version()

    def add(self, number: int, prompt_ids: Sequence[int], draws: Iterable[tuple[int, Draw]]) -> None:
        """Ask for responses to a prompt: pairs of a response's index and how it is drawn.

        They come one after the other, so that those behind the first find its keys and values of the prompt.
        """
        self._wake()
        prompt = {"type": "token", "prompt_token_ids": list(prompt_ids)}
        for j, draw in draws:
            params = SamplingParams(
                temperature=draw.temperature,
                max_tokens=draw.max_tokens,
                seed=draw.seed,
                logprobs=0,  # that of the token itself
                stop_token_ids=list(self.plan.stop_ids),
                ignore_eos=True,  # which vLLM would look up by itself; it stands among the stop ids
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
            )
            self._engine.add_request(f"{number}/{j}", prompt, params)

    def cancel(self, keys: Iterable[Key]) -> None:
        self._engine.abort_request([f"{number}/{j}" for number, j in keys])

    def step(self) -> list[Piece]:
        """One token for every live response."""
        return [_piece(output) for output in self._engine.step()]

    def load(self, tensors: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Take over tensors by their Hugging Face names; a tied one must come under each of its names.

        Unfinished responses go on under the new weights, with the keys and values of their tokens made anew.
        """
        self._wake("weights")
        self._put(tensors)
        self._engine.reset_prefix_cache(reset_running_requests=True)
        self._engine.set_weight_version(str(version))

    def decoded_with(self, alive: Callable[[], None] = lambda: None) -> dict[str, int]:
        """Checksums of what vLLM decodes with, by Hugging Face names; `alive` is called after each tensor."""

        def read(model: Any) -> dict[str, int]:
            found: dict[str, int] = {}
            for name, shard in decoded_with(model):
                found[name] = shard.checksum()
                alive()
            return found

        self._wake("weights")
        return self._engine.apply_model(read)[0]

    def release(self) -> None:
        """Give memory back until the next prompt or load. What is unfinished keeps it."""
        if self.busy or self._asleep:
            return
        if self.on_cpu:  # vLLM cannot sleep there
            self._engine.reset_prefix_cache()
        else:
            self._engine.sleep(level=1)  # weights wait in the host's memory, so that a prompt may come without a load
            self._asleep = True

    def close(self) -> None:
        self._engine.engine_core.shutdown()

    def _arguments(self) -> dict[str, Any]:
        plan = self.plan
        arguments = {
            "model": plan.folder,
            "skip_tokenizer_init": True,
            "load_format": "dummy",
            "generation_config": "vllm",  # not the model's, which would change the law
            "dtype": plan.dtype,
            "max_model_len": plan.context,
            "max_num_seqs": plan.max_sequences,
            "logprobs_mode": "processed_logprobs",  # raw ones leave out the temperature
            "enable_prefix_caching": True,
            "async_scheduling": False,  # with it, a token drawn before a load would bear the version after it
            "disable_log_stats": True,
        }
        if not self.on_cpu:
            return {**arguments, "gpu_memory_utilization": plan.memory_share, "enable_sleep_mode": True}
        return {
            **arguments,
            "enforce_eager": True,  # a compiled graph holds on to packed weights; a reload packs others
            "kv_cache_memory_bytes": plan.kv_bytes,
            "block_size": BLOCK,
            # A prompt in chunks throws away draws by setting a generator's offset, which a CPU's has not.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(plan.context, 4096),
        }

    def _put(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        # Not `load_weights` of the model: on a CPU it would fill parameters that nothing multiplies by any more.
        self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors})

    def _warm_up(self) -> None:
        """Draw something: vLLM compiles at its first step, which would look like a hang later."""
        self.add(0, [0] * 2, [(j, Draw(seed=j, max_tokens=2, temperature=1.0)) for j in range(2)])
        while self.busy:
            self.step()
        self._engine.reset_prefix_cache()

    def _wake(self, *tags: str) -> None:
        """All of it, or the memory of `tags` alone: a learner may still hold the rest."""
        if self._asleep:
            self._asleep = not self._engine.wake_up(list(tags) or None)


def _piece(output: Any) -> Piece:
    number, j = map(int, output.request_id.split("/"))
    (its,) = output.outputs
    token_ids = list(its.token_ids)
    logprobs = [at[token].logprob for at, token in zip(its.logprobs or [], token_ids, strict=True)]
    spans = tuple(Span(int(span.version), span.start, span.end) for span in its.weight_versions or ())
    return Piece((number, j), token_ids, logprobs, its.finish_reason, spans)
