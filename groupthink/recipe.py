"""What a run is asked to do: the whole configuration, from TOML, checked.

A recipe is a few settings and, one level deep, the tables of the rooms. Each table is a frozen dataclass
that lives beside the room that it configures.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

import tomli_w

from groupthink.advantage import AdvantageSettings
from groupthink.elsewhere import here
from groupthink.model.settings import ChatSettings, LoraSettings
from groupthink.nearest import nearest
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.reward.settings import CodeSettings, JudgeSettings, RewardSettings
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.settings import ScaleSettings
from groupthink.stage.settings import DistillSettings, EvaluateSettings, SampleSettings, SftSettings
from groupthink.task import require_name
from groupthink.task.settings import TaskSettings

BY_REWARDS = ("grpo", "grpo_async")
BY_SAMPLES = (*BY_REWARDS, "distill")
STAGES = (*BY_SAMPLES, "sft", "sample", "evaluate")
TRACKERS = ("tensorboard", "wandb", "trackio")
BUNDLED = files("groupthink").joinpath("recipes")
DEFAULT, SUFFIX = "nano", ".toml"
STAGE_LIST = "stages"
"""What a recipe of several stages lists: see `groupthink.pipeline`."""

Table = dict[str, Any]
"""What TOML holds, one level of tables deep."""

AT_ODDS_WITH_PENALTIES = {
    "gdpo": "gives each part of a reward the same spread",
    "pass_at_k": "counts a response as right by its reward",
    "maxrl": "divides by the mean of the rewards",
}
"""Estimators that cannot have KL or length taken off a reward, and why."""


@dataclass(frozen=True)
class Recipe:
    """A run's settings, every one of them with a default."""

    stage: str = "grpo"  # what a step is: grpo, grpo_async (sampled ahead), distill (by a teacher), sft (learn from
    # demonstrations), or sample (keep right chains as a data set); or evaluate: the model is measured, in no steps
    model: str = "nano"  # nano, a run, a checkpoint, a local folder or a hub id
    trust_remote_code: bool = False  # whether code that comes with the model, where it needs some, may be run
    steps: int = 120  # of stage sample: as many as sample.problems take, whatever stands here
    seed: int = 0
    checkpoint_every: int = 40  # steps
    stop_patience: float = 20.0  # seconds that a signal to end waits for what is in hand to be kept
    trackers: tuple[str, ...] = ()  # boards that are told the figures, too: tensorboard, wandb, trackio
    task: TaskSettings = field(default_factory=TaskSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    vllm: VllmSettings = field(default_factory=VllmSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    code: CodeSettings = field(default_factory=CodeSettings)
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    advantage: AdvantageSettings = field(default_factory=AdvantageSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    sft: SftSettings = field(default_factory=SftSettings)
    distill: DistillSettings = field(default_factory=DistillSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage is {self.stage!r}: choose one of {', '.join(STAGES)}")
        if self.stage == "sample":  # all that counts steps finds them here
            object.__setattr__(self, "steps", math.ceil(self.sample.problems / self.task.problems_per_step))
        if self.stage == "evaluate":
            object.__setattr__(self, "steps", 0)
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}: it cannot be negative")
        if self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}: at least 1 step lies between checkpoints")
        if not 0 <= self.stop_patience < math.inf:
            raise ValueError(
                f"stop_patience is {self.stop_patience}: give seconds, fewer than pass between the signal and a kill"
            )
        for name in self.trackers:
            if name not in TRACKERS:
                raise ValueError(f"no tracker is called {name!r}: did you mean {nearest(name, TRACKERS)}?")
        tasks = (*self.task.names, *self.sft.tasks)
        for name in tasks:
            require_name(name)
        self.task.require_owners(tasks)
        self._require_even_updates()
        self._require_a_stage_that_can_lag()
        rollout, vllm = self.rollout, self.vllm
        self.scale.require_learners(
            lora=bool(self.lora.rank), optimizer=self.policy.optimizer, processes=self.policy.processes
        )
        self.scale.require_engines(
            processes=rollout.processes,
            own_process=vllm.own_process,
            engine=rollout.engine,
            tensor_parallel=vllm.tensor_parallel,
            lag=rollout.lag,
        )
        self._require_what_can_learn()
        self._require_what_can_be_compared()
        if self.stage == "distill":
            self._require_what_a_teacher_can_say()
        if self.reward.judge:
            self.judge.require_server()
        self._require_what_tells_answers_apart()
        if self.stage == "sample" and self.task.unlabelled:
            raise ValueError(
                'task.unlabelled withholds the answers, and stage="sample" keeps the chains whose answers are right: '
                "leave it out"
            )

    def _require_even_updates(self) -> None:
        examples, minibatches = self.sft.examples_per_step, self.policy.minibatches
        if self.stage == "sft" and examples % minibatches:
            raise ValueError(
                f"policy.minibatches={minibatches} does not divide the {examples} demonstrations of a step: "
                "choose a divisor of sft.examples_per_step"
            )
        responses = self.task.problems_per_step * self.rollout.group_size
        if self.stage in BY_SAMPLES and responses % self.policy.minibatches:
            raise ValueError(
                f"policy.minibatches={self.policy.minibatches} does not divide the {responses} responses of a step: "
                "choose a divisor of task.problems_per_step * rollout.group_size"
            )
        if self.objective.focus == "kl_cov" and self.policy.minibatches * self.policy.epochs == 1:
            raise ValueError(
                'objective.focus="kl_cov" holds tokens to where they were before the first update, and there is one '
                "update to a batch: raise policy.minibatches or policy.epochs, or take clip_cov"
            )

    def _require_a_stage_that_can_lag(self) -> None:
        if self.rollout.lag and self.stage != "grpo_async":
            raise ValueError(
                f'rollout.lag is {self.rollout.lag}, and stage="{self.stage}" samples from the weights that learn: set '
                'stage="grpo_async", or rollout.lag=0'
            )
        vllm = self.rollout.engine == "vllm"
        if (self.rollout.lag or vllm) and self.rollout.processes > 1:
            raise ValueError(
                f"rollout.processes is {self.rollout.processes}: with {'vLLM' if vllm else 'rollout.lag'} one process "
                "generates; leave it at 0"
            )
        if vllm and self.rollout.lag and not self.vllm.own_process:
            raise ValueError(
                "vllm.own_process=false draws while its responses are waited for, so nothing can run ahead: leave it "
                "at true, or set rollout.lag=0"
            )
        if vllm and self.rollout.lag and self.rollout.lag_by == "order":
            raise ValueError(
                'rollout.lag_by="order" draws exactly from the weights of so many steps ago, and vLLM takes new ones '
                'at once: set rollout.lag_by="time", or rollout.engine="torch"'
            )
        if self.stage == "grpo_async" and self.task.rounds > 1:
            raise ValueError(
                f"task.rounds is {self.task.rounds}: whether a step needs a further round is not known when it is "
                'asked for ahead; set task.rounds=1, or stage="grpo"'
            )

    def _require_what_can_learn(self) -> None:
        """Adapters, precision, and a reference that follows."""
        if self.lora.rank and self.objective.reference_every:
            raise ValueError(
                "objective.reference_every moves the reference, and with lora.rank the reference is the model without "
                "its adapter, which stays: set one of the two to 0"
            )
        if self.objective.reference_mixing < 1 and self.policy.dtype != "float32":
            raise ValueError(
                f"objective.reference_mixing={self.objective.reference_mixing} moves a reference in "
                f'{self.policy.dtype} by less than it can hold: set policy.dtype="float32", or reference_mixing=1'
            )
        if self.learns_alone and self.policy.processes > 1:
            raise ValueError(
                f"policy.processes is {self.policy.processes}: an adapter (lora.rank) and a model in another precision "
                "than float32 learn in one process; leave it at 0, and set policy.threads"
            )
        if self.lora.rank and self.stage == "sft" and self.sft.from_scratch:
            raise ValueError("sft.from_scratch begins with new weights, all of which must learn: set lora.rank=0")

    def _require_what_can_be_compared(self) -> None:
        if self.advantage.estimator == "pass_at_k" and self.advantage.k >= self.rollout.group_size:
            raise ValueError(
                f"advantage.k is {self.advantage.k} and rollout.group_size {self.rollout.group_size}: any k of a group "
                "must be able to miss a right response; take k below the group size"
            )
        if penalties := self._penalties():
            why = AT_ODDS_WITH_PENALTIES.get(self.advantage.estimator)
            if why:
                raise ValueError(
                    f'advantage.estimator="{self.advantage.estimator}" {why}, and {" and ".join(penalties)} '
                    "would change it: leave that out, or take another estimator"
                )
        if self.stage in BY_REWARDS and self.rollout.group_size < 2:
            raise ValueError(
                f"rollout.group_size is {self.rollout.group_size}: a group of one has no average to differ from; "
                "take at least 2"
            )

    def _require_what_a_teacher_can_say(self) -> None:
        if not self.distill.teacher:
            raise ValueError(
                'stage="distill" needs a teacher: name a model with the same tokenizer in distill.teacher, such as '
                "distill.teacher=runs/nano"
            )
        if self.task.rounds > 1:
            raise ValueError(
                f"task.rounds is {self.task.rounds}: further rounds look for groups whose rewards differ, and "
                'stage="distill" learns from every group; set task.rounds=1'
            )

    def _require_what_tells_answers_apart(self) -> None:
        reward = self.reward
        telling = (reward.majority, reward.code, reward.judge, reward.environment, *reward.functions.values())
        if self.task.unlabelled and self.stage in BY_REWARDS and not any(telling):
            raise ValueError(
                "task.unlabelled withholds the answers, so that reward.accuracy and reward.brevity do not count, and "
                "no other reward tells one answer from another: set reward.majority (the group's own vote), such as "
                "reward.majority=0.8, or weigh a reward of your own"
            )

    @property
    def objective_of_stage(self) -> ObjectiveSettings:
        """What an update improves: the recipe's objective, where the stage learns from rewards.

        Demonstrations are imitated: nothing was sampled, and there is no reference. In a distillation the reference is
        the teacher, and there is nothing but the KL to it; that is compared on the learner's own side, so that what the
        engine rounds otherwise does not count, and weighed by the ratio, so that it is right in later updates, too.
        """
        objective = self.objective
        if self.stage == "distill":
            return ObjectiveSettings(
                surrogate="unclipped",
                kl=1.0,
                kl_estimator="k3_unbiased",
                reduction=objective.reduction,
                overlong=objective.overlong,
                entropy_bonus=objective.entropy_bonus,
                entropy_target=objective.entropy_target,
                entropy_step=objective.entropy_step,
            )
        return objective if self.stage in BY_REWARDS else ObjectiveSettings(surrogate="imitation", kl=0.0)

    @property
    def layers(self) -> int:
        """How many layers the model is to have that is made from scratch; 0: as many as `model`."""
        return self.sft.layers if self.stage == "sft" else 0

    @property
    def learns_alone(self) -> bool:
        """Whether one process must learn: workers share one type of weights and of gradients, and know no adapters."""
        return bool(self.lora.rank) or self.policy.dtype != "float32"

    def _penalties(self) -> list[str]:
        """The settings by which something is taken off the rewards."""
        in_reward = self.objective.kl > 0 and self.objective.kl_place == "reward"
        overlong = self.objective.overlong_share > 0
        return ['objective.kl_place="reward"'] * in_reward + ["objective.overlong_share"] * overlong


def load_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """The recipe in the TOML file `path`, with `key=value` words on top.

    `path`: a file, or the name of a recipe that comes with this package (see `bundled`); None: the default one, nano.

    `settings` are what a file would hold, such as `{"steps": 40, "rollout": {"group_size": 4}}`: they go before the
    file, and words before them.

    `objective.name` stands for a row of settings. Where the file names it, the row fills what the file leaves open;
    where a word names it, the row goes before what the file says, too. Other words go before the row.

    Raises FileNotFoundError where there is no such file, and ValueError for anything in it that is not a
    setting, or not of its type, or not sensible.
    """
    given = read_table(path)
    if STAGE_LIST in given:
        raise ValueError(
            f"{path} has several stages, and what reads it here takes one: train by it with `groupthink train {path}`, "
            "or name the run of one of its stages"
        )
    said = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for word in overrides:
        override(said, word)
    return build_recipe(said, given)


def read_table(path: str | Path | None = None) -> Table:
    """What stands in the recipe at `path` (see `load_recipe`), unchecked.

    Raises FileNotFoundError where there is none, and ValueError where it is not TOML.
    """
    try:
        return tomllib.loads(_find(path or DEFAULT).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # RecursionError: lists in lists in lists
        raise ValueError(f"{path or DEFAULT} is not TOML: {error}") from None


def build_recipe(*layers: Table) -> Recipe:
    """The recipe that tables say together, each going before the next.

    The row of `objective.name` stands just below the first table that names it. Raises ValueError as `load_recipe`.
    """
    naming = next((place for place, layer in enumerate(layers) if _row_name(layer)), len(layers) - 1)
    name = _row_name(layers[naming]) or "grpo"
    if name not in ROWS:
        raise ValueError(f"objective.name is {name!r}: did you mean {nearest(str(name), ROWS)}?")
    merged: Table = {}
    for layer in reversed([*layers[: naming + 1], _row(name), *layers[naming + 1 :]]):
        merged = _over(layer, merged)
    return _build(merged)


def bundled() -> list[str]:
    """The names of the recipes that come with this package."""
    return sorted(file.name.removesuffix(SUFFIX) for file in BUNDLED.iterdir() if file.name.endswith(SUFFIX))


def recipe_name(path: str | Path | None) -> str:
    """What a run by the recipe at `path` is called: "nano" where that is None.

    >>> recipe_name("recipes/qwen3-0.6b-gsm8k.toml")
    'qwen3-0.6b-gsm8k'
    """
    return Path(path or DEFAULT).name.removesuffix(SUFFIX)


def _find(path: str | Path) -> Path | Traversable:
    """A file, or a recipe of this package by its name."""
    if Path(path).is_file():
        return Path(path)
    names, name = bundled(), str(path)
    if name in names:
        return BUNDLED.joinpath(f"{name}{SUFFIX}")
    likely = "" if name.endswith(SUFFIX) or "/" in name else f"; did you mean {nearest(name, names)}?"
    raise FileNotFoundError(
        f"no recipe at {name}: give a TOML file (`groupthink train --dry-run > mine.toml` writes one) or the name of "
        f"one that is here ({', '.join(names)}{likely}); a setting is written key=value"
    )


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, every default written out; a setting of None is left out."""
    return tomli_w.dumps(recipe_table(recipe))


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a TOML table: what `dump_recipe` writes."""
    table = asdict(recipe)
    for inner in table.values():
        if isinstance(inner, dict):
            for colons in WITH_COLONS:
                inner.update(inner.pop(colons, {}))
    return _without_none(table)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Every setting by its full name, such as `policy.learning_rate`."""
    flat: dict[str, Any] = {}
    for name, value in recipe_table(recipe).items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def describe_step(recipe: Recipe) -> str:
    """In plain words, what one step of this recipe does."""
    updates = recipe.policy.minibatches * recipe.policy.epochs
    if recipe.stage == "evaluate":
        asked = recipe.evaluate
        return f"No step: the model is measured on {asked.problems} held-out problems, {asked.samples} samples of each."
    if recipe.stage == "sft":
        shown = recipe.sft.examples_per_step
        return f"A step: {shown} demonstrations, from which the model is updated {_times(updates)}."
    problems, group_size, tokens = recipe.task.problems_per_step, recipe.rollout.group_size, recipe.rollout.max_tokens
    if recipe.stage == "sample":
        return (
            f"A step: {problems} problems x {recipe.sample.responses} responses = "
            f"{problems * recipe.sample.responses} responses of at most {tokens} tokens, of which right ones are kept; "
            f"{recipe.sample.problems} problems in all."
        )
    responses = problems * group_size
    rounds = f" in up to {recipe.task.rounds} rounds" if recipe.task.rounds > 1 else ""
    sampled = (
        f"A step: {problems} problems x {group_size} responses = {responses} responses of at most {tokens} tokens "
        f"({responses * tokens:,} at most){rounds}, from which the"
    )
    if recipe.stage == "distill":
        teacher = recipe.distill.teacher
        return f"{sampled} student is updated {_times(updates)}, towards what {teacher} makes of each token."
    departures = [f"{name}={value} (its row: {row})" for name, (value, row) in departures_of(recipe).items()]
    return f"{sampled} policy is updated {_times(updates)}." + (
        f" The objective is {recipe.objective.name}, but for {', '.join(departures)}." if departures else ""
    )


def departures_of(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Settings that are not as the row of the recipe's objective has them, by full name: theirs, and the row's."""
    settings = settings_of(recipe)
    row = ROWS[recipe.objective.name]
    return {name: (settings[name], value) for name, value in row.items() if settings[name] != value}


WITH_COLONS = ("functions", "arguments")
"""The fields that take a table's keys with a colon. `"rewards.py:short" = 0.1` weighs a function of the user's own, and
`"chain_sum:max_terms" = 4` is an argument of a task."""

TABLES: dict[str, Any] = {name: kind for name, kind in get_type_hints(Recipe).items() if is_dataclass(kind)}


def _row_name(given: Table) -> Any:
    """The objective that is named, or None."""
    objective = given.get("objective")
    return objective.get("name") if isinstance(objective, dict) else None


def _row(name: str) -> Table:
    """What the row of an objective settles, by table."""
    row: Table = {}
    for full_name, value in ROWS[name].items():
        table, _, key = full_name.partition(".")
        row.setdefault(table, {})[key] = value
    return row


def _over(high: Table, low: Table) -> Table:
    """All that both say; what `high` says goes before."""
    merged = dict(low)
    for key, value in high.items():
        below = low.get(key, {})
        # A table that is no table is left for `_build` to refuse.
        merged[key] = {**below, **value} if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _build(given: Mapping[str, Any]) -> Recipe:
    hints = get_type_hints(Recipe)
    arguments: dict[str, Any] = {}
    for key, value in given.items():
        if key in TABLES:
            if not isinstance(value, dict):
                raise ValueError(f"{key} is a table, not a setting: write [{key}] and its settings below it")
            arguments[key] = _build_table(key, value)
        elif key in hints:
            arguments[key] = _checked(key, value, hints[key])
        elif isinstance(value, dict):
            if theirs := next(filter(None, (here(f"{key}.{inner}") for inner in value)), None):
                raise ValueError(f"unknown table [{key}]: did you mean {theirs}")
            table = nearest(key, TABLES)
            known = [name for name in setting_names() if name in {f"{table}.{inner}" for inner in value}]
            raise ValueError(f"unknown table [{key}]: did you mean {', '.join(known) or f'[{table}]'}?")
        else:
            raise _unknown(key)
    return Recipe(**arguments)


def _build_table(table: str, given: Mapping[str, Any]) -> Any:
    hints = get_type_hints(TABLES[table])
    arguments: dict[str, Any] = {}
    taken = next((name for name in WITH_COLONS if name in hints), None)
    for key, value in given.items():
        name = f"{table}.{key}"
        if taken and ":" in key:
            kind = get_args(hints[taken])[1]
            arguments.setdefault(taken, {})[key] = value if kind is Any else _checked(name, value, kind)
        elif key in hints and key not in WITH_COLONS:
            arguments[key] = _checked(name, value, hints[key])
        else:
            raise _unknown(name)
    return TABLES[table](**arguments)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`: an int will do for a float, a list becomes a tuple; anything else is refused."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if math.isfinite(value):
                return float(value)
        except OverflowError:  # a whole number of hundreds of digits
            pass
        raise ValueError(f"{name} is {str(value)[:60]}: expected a finite number")
    if get_origin(kind) in (tuple, list) and isinstance(value, list):
        return tuple(_checked(name, item, get_args(kind)[0]) for item in value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {value!r}: expected {_in_words(kind)}")


def _in_words(kind: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(kind) in (tuple, list):
        return f"a list, each item {_in_words(get_args(kind)[0])}"
    return words[kind]


def override(given: Table, word: str) -> None:
    """Set one `key=value` word in `given`, which holds such words alone. Raises ValueError for what is no such word."""
    name, sign, text = (part.strip() for part in word.partition("="))
    if not name or not sign:
        raise ValueError(f"{word!r} is not a setting: write key=value, such as steps=400")
    table, dot, key = name.partition(".")
    if not dot:
        given[name] = _value(text)
    elif isinstance(given.setdefault(table, {}), dict) and (table in TABLES or table not in get_type_hints(Recipe)):
        given[table][key.strip("\"'")] = _value(text)
    else:
        raise _unknown(name)


def _value(text: str) -> Any:
    """TOML where it is TOML; else the words themselves, so that `model=nano` needs no quotes."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return read["value"] if read.keys() == {"value"} else text


def _unknown(name: str) -> ValueError:
    return ValueError(f"unknown setting {name}: did you mean {here(name) or f'{nearest(name, setting_names())}?'}")


def setting_names() -> Iterator[str]:
    """The full names of all settings, such as `policy.learning_rate`."""
    for name in get_type_hints(Recipe):
        if name not in TABLES:
            yield name
    for table, kind in TABLES.items():
        yield from (f"{table}.{setting.name}" for setting in fields(kind) if setting.name not in WITH_COLONS)


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
