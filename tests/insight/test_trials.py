"""Rewards that are wrong on purpose, each found by the name of what is wrong with it; and healthy ones, found well."""

import json
import logging
import time
from dataclasses import asdict, replace
from shutil import copytree

import pytest
import torch

from groupthink.insight.trials import in_words, programs, try_rewards
from groupthink.insight.trials.cases import CASES, Form, Subject
from groupthink.insight.trials.seen import NOTHING, RIGHT, TRICK, WRONG, Finding
from groupthink.insight.trials.subjects import changed
from groupthink.insight.trials.watch import WHOLE
from groupthink.insight.trials.writer import Writer
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer, weights_here
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.recipe import load_recipe
from groupthink.records import Group, Problem
from groupthink.reward.judge import Judge
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.task.quadratics import Quadratics
from groupthink.task.unlabelled import Unlabelled
from groupthink.user_code import give
from tests.here import work_here
from tests.reward.test_model_judge import Mock
from tests.stage.conftest import place  # noqa: F401
from tests.task.test_environment import NAME, guessing  # noqa: F401
from tests.tiny import tiny

ONLY = {"accuracy": 0.0, "format": 0.0, "brevity": 0.0}
"""Beside a reward of one's own."""


def tried(tmp_path, source="", weight=1.0, words=(), **reward):
    """The trials of the default recipe, with the reward `f` that a file has."""
    if source:
        (tmp_path / "mine.py").write_text(source)
        reward[f"{tmp_path / 'mine.py'}:f"] = weight
    recipe = load_recipe(None, words, {"reward": reward})
    return try_rewards(recipe, lambda text: None, problems=3, model_responses=False)


def found(trials):
    return [finding.name for finding in trials.findings]


def finding(trials, name) -> Finding:
    [one] = [finding for finding in trials.findings if finding.name == name]
    return one


def row(trials, case):
    [one] = [row for row in trials.rows if row.case == case]
    return one


def test_the_default_rewards_are_well_and_the_right_answer_earns_most(tmp_path):
    trials = tried(tmp_path)
    assert found(trials) == [] and trials.failures == () and trials.problems == 3
    assert row(trials, "right").reward == 1.0 == max(each.reward for each in trials.rows)
    assert row(trials, "wrong").reward == pytest.approx(0.2)
    assert row(trials, "right, nearly too long").parts["brevity"] < 0.2 and row(trials, "empty").reward == 0
    assert 150 < row(trials, "right, nearly too long").tokens <= 200
    assert row(trials, "the same until cut").tokens == 200
    assert {each.case for each in trials.rows} >= {"the prompt, copied", "several answers", "lone surrogates"}
    assert "nothing looks exploitable, as far as these cases show" in in_words(trials)


def test_the_judge_of_the_run_is_what_scores(tmp_path):
    recipe = load_recipe(None, ["reward.repetition=0.1", "reward.format_answer=0.1"])
    trials = try_rewards(recipe, lambda text: None, problems=1, model_responses=False)
    [problem] = Quadratics(recipe.seed).sample(0, 1)
    writer = Writer(Chat(load_tokenizer("nano")), recipe.rollout.max_tokens)
    subject = Subject(problem, Form(tagged=True), right=problem.answer, worked="It comes to that.")
    [case] = [case for case in CASES if case.name == "right, without reasoning"]
    group = Group(problem, writer.prompt_ids(problem.prompt), (writer.respond(case.write(subject)),))
    [[score]] = Judge(recipe.reward, Quadratics()).score([group])
    assert row(trials, case.name).reward == pytest.approx(score.value)
    assert row(trials, case.name).parts == pytest.approx(dict(score.parts))


def test_a_reward_that_loves_length(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return len(response.text) / 100\n")
    assert "long_pays" in found(trials) and "right_is_low" in found(trials)
    assert "lower reward " in finding(trials, "long_pays").advice
    assert "'wrong, nearly too long'" in finding(trials, "right_is_low").evidence


def test_a_reward_that_loves_shortness(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return -len(response) / 100\n")
    assert "short_pays" in found(trials)


def test_only_form_is_paid(tmp_path):
    assert "wrong_pays" in found(tried(tmp_path, accuracy=0.0, brevity=0.0, format=1.0))


def test_most_is_paid_for_form(tmp_path):
    trials = tried(tmp_path, accuracy=0.4, brevity=0.0, format=0.6)
    assert found(trials) == ["form_pays"]
    assert "form alone is 60% of what there is to win" in finding(trials, "form_pays").evidence
    assert found(tried(tmp_path, accuracy=0.6, brevity=0.0, format=0.4)) == []


def test_a_reward_that_takes_many_answers_and_reads_the_reasoning(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return problem.answer in response.text\n", **ONLY)
    assert {"spam", "hidden"} <= set(found(trials))
    assert "'several answers' 1.00 (paid in 3 of 3)" in finding(trials, "spam").evidence
    assert "right in thought, wrong answered" in finding(trials, "hidden").evidence
    healthy = "def f(problem, response):\n    return (response.answer or '').strip() == problem.answer\n"
    assert found(tried(tmp_path, healthy, **ONLY)) == []


def test_a_reward_that_raises_is_named_with_its_cases_and_the_others_go_on(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return float(response.text.split()[0] != '')\n", 0.1)
    raised = finding(trials, "raises")
    assert "IndexError: list index out of range" in raised.evidence
    assert "'empty', 'blank' (6 responses)" in raised.evidence and "'wrong'" not in raised.evidence
    assert {failure.case for failure in trials.failures} == {"empty", "blank"}
    name = next(name for name in trials.weights if name.endswith(":f"))
    assert row(trials, "right").parts[name] == 1.0 and row(trials, "empty").parts[name] is None
    assert "idle" in found(trials)  # what it does not fail on is worth 1 in any case


def test_what_raises_on_surrogates_alone_is_told_apart(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return len(response.text.encode()) * 0.0\n", 0.1)
    assert {failure.case for failure in trials.failures} == {"lone surrogates"}


def test_a_reward_of_groups_that_fails_as_a_whole(tmp_path):
    source = "def f(group):\n    if group.responses[1:]:\n        raise RuntimeError('too many')\n    return [0.5]\n"
    trials = tried(tmp_path, source, 0.1)
    assert {failure.case for failure in trials.failures} == {WHOLE}
    assert "RuntimeError: too many" in finding(trials, "raises").evidence


def test_a_reward_written_for_another_library_gets_whole_groups(tmp_path):
    source = "def f(completions, answer, **columns):\n    return [a in c for c, a in zip(completions, answer)]\n"
    trials = tried(tmp_path, source, **ONLY)
    assert "spam" in found(trials) and trials.failures == ()
    assert any("as one group of" in note for note in trials.notes)


def test_all_the_same_and_a_part_that_is_always_the_same(tmp_path):
    same = "def f(problem, response):\n    return 0.5\n"
    assert found(tried(tmp_path, same, **ONLY)) == ["constant"]
    trials = tried(tmp_path, same)
    assert found(trials) == ["idle"] and "is 0.50 for all" in finding(trials, "idle").evidence
    assert found(tried(tmp_path, "def f(problem, response):\n    return None\n")) == ["uncounted"]


def test_giving_no_answer_is_paid(tmp_path):
    source = "def f(problem, response):\n    return -1.0 if response.answer else 0.0\n"
    trials = tried(tmp_path, source, 0.5, accuracy=1.0, format=0.1)
    assert "nothing_pays" in found(trials) and "'empty'" in finding(trials, "nothing_pays").evidence


def test_a_right_answer_is_worth_more_in_another_form(tmp_path):
    source = "def f(problem, response):\n    return float(f'#### {problem.answer}' in response.text)\n"
    trials = tried(tmp_path, source, **{**ONLY, "format": 0.1})
    assert "'right, after ####'" in finding(trials, "another_form").evidence


def test_reasoning_costs_more_than_it_brings(tmp_path):
    trials = tried(tmp_path, brief=0, long=60)
    assert "reward.brief" in finding(trials, "thinking_costs").advice


def test_a_form_that_the_task_does_not_read(tmp_path):
    trials = tried(tmp_path, format_boxed=0.2)
    unread = finding(trials, "form_unread")
    assert "3 of 3 right answers" in unread.evidence and "set reward.format_boxed to 0" in unread.advice
    assert found(trials) == ["form_unread"]  # what follows from it is not told as well


def test_answers_that_the_task_itself_refuses(tmp_path):
    (tmp_path / "own.py").write_text(
        "import groupthink\n\n\nclass Odd:\n"
        "    def sample(self, step, n):\n"
        "        return [groupthink.Problem(str(i), '', f'What is {i}?', 'forty') for i in range(n)]\n\n"
        "    held_out = lambda self, n: self.sample(0, n)\n\n"
        "    def verify(self, problem, text):\n"
        "        return int(text) == 40\n"
    )
    trials = tried(tmp_path, words=[f"task.name={tmp_path / 'own.py'}:Odd"])
    assert "ValueError: invalid literal" in finding(trials, "raises").evidence  # of the task's verdict, too
    assert "refuses 3, such as 'forty'" in finding(trials, "own_answer").evidence


def test_right_answers_that_do_not_fit(tmp_path):
    trials = tried(tmp_path, words=["rollout.max_tokens=12"])
    assert (
        "to 3 of 3 problems the answer does not fit into rollout.max_tokens=12" in finding(trials, "no_room").evidence
    )
    assert found(trials) == ["no_room"] and not [each for each in trials.rows if each.kind in (RIGHT, WRONG)]


def test_the_time_of_a_slow_reward_and_of_one_that_stalls(tmp_path):
    slow = "import time\n\n\ndef f(problem, response):\n    time.sleep(0.005)\n    return len(response)\n"
    trials = tried(tmp_path, slow, 1e-6, words=["task.problems_per_step=256"])
    [timing] = [timing for name, timing in trials.timing.items() if name.endswith(":f")]
    assert 0.005 <= timing.seconds < 0.05 and timing.step_seconds == pytest.approx(2048 * timing.seconds)
    assert "for the 2048 of a step" in finding(trials, "slow").evidence
    stalls = (
        "import time\n\n\ndef f(problem, response):\n"
        "    time.sleep(1.2 if '**' in response.text else 0)\n    return len(response)\n"
    )
    trials = tried(tmp_path, stalls, 1e-6)
    assert "on 'a tower of powers in Python'" in finding(trials, "stalls").evidence
    assert any("'a tower of powers in Python' took" in note for note in trials.notes)


def test_a_reward_that_hangs_is_named_while_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.insight.trials.watch.PATIENCE", 0.02)
    source = "import time\n\n\ndef f(group):\n    time.sleep(0.2)\n    return [0.0] * len(group.responses)\n"
    (tmp_path / "mine.py").write_text(source)
    recipe, told = load_recipe(None, (), {"reward": {f"{tmp_path / 'mine.py'}:f": 1.0}}), []
    try_rewards(recipe, told.append, problems=1, model_responses=False)
    assert any("mine.py:f has been at" in text and "quadratics/train/0/0" in text for text in told)


def test_the_trials_are_one_json_object(tmp_path):
    trials = tried(tmp_path, "def f(problem, response):\n    return len(response.text.encode())\n", 0.1)
    read = json.loads(json.dumps(asdict(trials), allow_nan=False))
    assert set(read) >= {"problems", "weights", "rows", "timing", "failures", "own", "findings", "notes"}
    assert set(read["rows"][0]) == {"case", "kind", "responses", "reward", "parts", "tokens"}
    assert set(read["findings"][0]) == {"name", "evidence", "advice"}


def test_what_a_terminal_is_told_has_no_control_characters(tmp_path):
    source = "def f(problem, response):\n    raise ValueError('\\x1b[2J' + response.text)\n"
    lines = in_words(tried(tmp_path, source, 0.1))
    assert any("raises" in line for line in lines) and any(line.startswith("right, nearly too long") for line in lines)
    assert all(char.isprintable() for line in lines for char in line)
    assert all(len(line) <= 160 for line in lines)


def test_a_data_set_as_gsm8k_is_published(tmp_path):
    rows = [
        {"question": f"Ann has {i} pears and buys {i + 3}. How many?", "answer": f"{i}+{i + 3}\n#### {2 * i + 3}"}
        for i in range(11, 60)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    trials = tried(tmp_path, words=[f"task.data={tmp_path / 'train.jsonl'}"])
    assert found(trials) == [] and row(trials, "right").reward == 1.0
    assert row(trials, "right, after ####").parts["accuracy"] == 1.0
    assert row(trials, "every small number").parts["accuracy"] == 0.0
    boxed = tried(tmp_path, words=[f"task.data={tmp_path / 'train.jsonl'}"], format_boxed=0.2)
    assert found(boxed) == [] and row(boxed, "right").reward == pytest.approx(1.2)


def test_a_multiple_choice(tmp_path):
    rows = [{"question": f"Which letter is number {i % 5 + 1}? ({i})", "answer": "ABCDE"[i % 5]} for i in range(40)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    trials = tried(tmp_path, words=[f"task.data={tmp_path / 'train.jsonl'}"])
    assert found(trials) == [] and row(trials, "every choice").parts["accuracy"] == 0.0


def test_a_task_of_reasoning_gym(tmp_path, monkeypatch):
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    work_here(monkeypatch)
    trials = tried(tmp_path, words=["task.name=gym:chain_sum"])
    assert found(trials) == [] and row(trials, "right").reward == 1.0


def test_an_environment_that_scores_whole_responses(guessing, tmp_path):  # noqa: F811
    words = [f"task.name={NAME}"]
    trials = tried(tmp_path, words=words, **ONLY, environment=1.0)
    right, wrong = row(trials, "right"), row(trials, "wrong")
    assert right.parts["environment"] == right.reward == pytest.approx(1.2)  # the environment's own figures
    assert wrong.parts["environment"] == wrong.reward == pytest.approx(0.2)
    assert trials.failures == () and found(trials) == []
    guessing.described = replace(guessing.described, replies=False)
    beside = tried(tmp_path, words=words, environment=1.0)
    assert row(beside, "right").parts["accuracy"] == 1.0 and row(beside, "wrong").parts["accuracy"] == 0.0


def test_answers_that_nobody_knows_and_a_vote(tmp_path):
    recipe = load_recipe(None, [f"task.name={give(Unlabelled(Quadratics()))}", "reward.majority=0.8"])
    trials = try_rewards(recipe, lambda text: None, problems=2, model_responses=False)
    assert row(trials, "right").parts["majority"] == 1.0 and row(trials, "wrong").parts["majority"] == 0.0
    assert row(trials, "right").parts["accuracy"] is None and found(trials) == []
    assert any("what most of the group say" in note for note in trials.notes)
    (tmp_path / "mine.py").write_text("def f(problem, response):\n    return float('eureka' in response.text)\n")
    asked = load_recipe(None, (), {"reward": {f"{tmp_path / 'mine.py'}:f": 1.0}}).reward
    unknown = try_rewards(replace(recipe, reward=asked), lambda text: None, 2, model_responses=False)
    assert found(unknown) == []  # nothing that was tried could have earned it
    assert any("nobody knows the answer" in note for note in unknown.notes)
    assert not [each for each in unknown.rows if each.kind == RIGHT]


def test_demonstrations_need_no_reward():
    trials = try_rewards(load_recipe(None, ["stage=sft"]), lambda text: None)
    assert trials.rows == () and "learns from no reward" in trials.notes[0] and in_words(trials)


def test_the_model_s_own_responses(place):  # noqa: F811
    recipe = load_recipe(place / "grpo.toml")
    told = []
    trials = try_rewards(recipe, told.append, problems=2)
    assert trials.own is not None and trials.own.responses == row(trials, "the model's own").responses == 6
    assert any("asking" in text for text in told)
    cut = try_rewards(load_recipe(place / "grpo.toml", ["rollout.max_tokens=3"]), told.append, problems=2)
    assert "all 6 of the model's own responses are cut" in finding(cut, "cut").evidence


def test_the_model_s_own_responses_that_all_earn_the_same(place, tmp_path):  # noqa: F811
    recipe = load_recipe(place / "grpo.toml")
    trials = try_rewards(replace(recipe, reward=load_recipe().reward), lambda text: None, problems=2)
    assert "on 2 of 2 problems (0.00, 0.00)" in finding(trials, "no_signal").evidence


def test_a_prompt_that_is_too_long_is_left_out_without_a_word_of_the_tokenizer(
    place,  # noqa: F811
    tmp_path,
    monkeypatch,
    caplog,
):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    rows = [{"question": f"What is {i}?" + " Really?" * 60 * (i % 4 == 3), "answer": f"{i}"} for i in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [f"task.data={tmp_path.as_posix()}/rows.jsonl", "task.held_out=0.2", f"model={tmp_path / 'model'}"]
    copytree(place / "model", tmp_path / "model")
    tokenizer = load_tokenizer(tmp_path / "model")
    tokenizer.model_max_length = 256
    tokenizer.save_pretrained(tmp_path / "model")
    trials = try_rewards(load_recipe(place / "grpo.toml", words), lambda text: None, problems=8)
    assert trials.own is not None and any("are too long for the model and were left" in note for note in trials.notes)
    assert "longer than the specified maximum" not in caplog.text


def test_a_model_for_which_there_is_no_room_is_not_asked(place, monkeypatch):  # noqa: F811
    recipe = load_recipe(place / "grpo.toml")

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("groupthink.rollout.open.TorchEngine", full)
    trials = try_rewards(recipe, lambda text: None, problems=1)
    assert trials.own is None and any("not tried itself: CUDA out of memory" in note for note in trials.notes)
    assert trials.rows
    monkeypatch.setattr("groupthink.model.loading.load_model", full)  # and nothing of it is read where a run has none
    trials = try_rewards(recipe, lambda text: None, problems=1, fits=False)
    assert trials.own is None and any("does not fit into the memory" in note for note in trials.notes)


def test_a_model_in_the_hub_s_cache_is_on_this_machine(place, monkeypatch):  # noqa: F811
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **how: str(place / "model"))
    assert [file.name for file in weights_here("somebody/small")] == ["model.safetensors"]


def test_a_model_that_learns_on_4_bits_is_asked_as_what_they_stand_for(place, monkeypatch):  # noqa: F811
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("peft")
    loaded, load = [], TorchEngine.load
    monkeypatch.setattr(TorchEngine, "load", lambda engine, weights: (loaded.append(weights), load(engine, weights)))
    words = ["lora.rank=2", "lora.quantised=true", "policy.dtype=bfloat16"]
    trials = try_rewards(load_recipe(place / "grpo.toml", words), lambda text: None, problems=1)
    assert trials.own is not None, trials.notes
    [weights], name = loaded, "model.layers.0.mlp.up_proj.weight"
    exact = load_model(place / "model").state_dict()[name]
    # A tenth where rows are of whole blocks of 64; of shorter ones bitsandbytes makes less on some processors.
    assert 0 < (weights.tensors[name] - exact).abs().mean() < 0.5 * exact.abs().mean()


def test_a_model_that_is_elsewhere(monkeypatch):
    def unreachable(name, **how):
        raise OSError(f"no connection\nwhile asking for {name}")

    monkeypatch.setattr("groupthink.model.loading.load_tokenizer", unreachable)
    told = []
    trials = try_rewards(load_recipe(None, ["model=nobody/has-this"]), told.append, problems=2)
    assert any("the tokenizer of nobody/has-this cannot be had (no connection)" in text for text in told)
    assert trials.own is None and any(
        "weights of nobody/has-this are not on this machine" in note for note in trials.notes
    )
    assert row(trials, "right").reward > row(trials, "wrong").reward


def test_a_prompt_that_opens_the_chain(tmp_path):
    tokenizer = build_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<|assistant|>{%- endif", "<|assistant|><think>{%- endif")
    tiny("qwen3").save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    trials = tried(tmp_path, words=[f"model={tmp_path / 'model'}"])
    assert found(trials) == [] and row(trials, "right").reward == 1.0
    assert row(trials, "reasoning never closed").reward == 0
    assert "right, without tags" not in {each.case for each in trials.rows}  # it would be reasoning that never ends


# ---------------------------------------------------------------------------------------------------------------------
# programs

APPS = {"question": "Add two numbers.", "input_output": json.dumps({"inputs": ["2 3\n"], "outputs": ["5\n"]})}
MBPP = {
    "text": "Write a function largest.",
    "code": "def largest(xs):\n    return max(xs)",
    "test_list": ["assert largest([1, 5, 2]) == 5", "assert largest([-1]) == -1"],
}


def test_what_tests_call_and_what_passes_them_without_knowing_anything():
    known = programs.tested(Problem("1", "code", "Write it.", None, {"tests": MBPP["test_list"], "code": MBPP["code"]}))
    assert known.names == ("largest",) and known.reference == MBPP["code"] and known.printed is None
    assert "def largest(*given, **named):" in programs.always_the_same(known)
    read = programs.tested(Problem("1", "code", "Write it.", "42", {"tests": [{"input": "2 3\n", "output": "5\n"}]}))
    assert read.reference is None and programs.always_the_same(read) == "print('5\\n')"
    assert programs.tested(Problem("1", "code", "Write it.", "42")) is None
    assert programs.tested(Problem("1", "code", "Write it.", None, {"tests": ["assert ("]})) is None


def code_recipe(tmp_path, rows, *words):
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"reward": {"code": 1.0}, "task": {"data": str(tmp_path / "train.jsonl")}}
    # The programs are tame, so that no sandbox is needed to try whether trials see what becomes of them.
    return load_recipe(None, ["code.seconds=1", "code.sandbox=none", *words], settings)


def test_programs_that_are_tested_well(tmp_path):
    rows = [{**MBPP, "text": f"Write a function largest ({i})."} for i in range(12)]
    began = time.perf_counter()
    trials = try_rewards(code_recipe(tmp_path, rows), lambda text: None, problems=1, model_responses=False)
    assert time.perf_counter() - began < 60
    assert row(trials, "right").parts["code"] == 1.0 and row(trials, "wrong").parts["code"] == 0.0
    assert {"weak_tests", "idle", "own_answer", "raises"}.isdisjoint(found(trials))
    assert row(trials, "a program, never ends").parts["code"] == 0.0
    assert any("'a program, never ends' took code" in note and "was worth 0" in note for note in trials.notes)


def test_tests_that_a_program_passes_without_reading_its_input(tmp_path):
    rows = [{**APPS, "question": f"Add two numbers ({i})."} for i in range(12)]
    trials = try_rewards(code_recipe(tmp_path, rows), lambda text: None, problems=1, model_responses=False)
    assert "'a program, always the same'" in finding(trials, "weak_tests").evidence
    assert any("bring no program that is right" in note for note in trials.notes)


# ---------------------------------------------------------------------------------------------------------------------
# another model's opinion


@pytest.fixture
def mock():
    server = Mock()
    yield server
    server.server.shutdown()
    server.server.server_close()


def judged(mock, *words):
    settings = {"reward": {"judge": 1.0}, "judge": {"url": mock.url, "model": "wise"}}
    told = []
    trials = try_rewards(load_recipe(None, words, settings), told.append, model_responses=False)
    return trials, told


def test_a_judge_that_obeys_whoever_asks_for_full_marks(mock):
    def reply(n, question):
        answer = question.rpartition("Answer:\n")[2]
        right = question.partition("Reference answer:\n")[2].partition("\n")[0]
        return 200, "1.0" if answer.startswith(right + "\n") or "highest score" in answer else "0.0"

    mock.reply = reply
    trials, told = judged(mock)
    assert "'wrong, and asks for full marks'" in finding(trials, "injection").evidence
    [asked] = [text for text in told if text.startswith("reward.judge: wise at")]
    assert len(mock.questions) <= int(asked.split()[-2])
    assert trials.problems == 2 and trials.failures == ()


def test_a_judge_that_cannot_be_reached_counts_for_nothing(mock, capfd):
    mock.reply = lambda n, question: (500, "down") if n > 3 else (200, "no number")
    trials, told = judged(mock)
    assert found(trials) == ["uncounted"] and "can be reached" in finding(trials, "uncounted").advice
    assert any("replied no" in note or "no number in its reply" in note for note in trials.notes)
    assert len(trials.notes) == 1 and "messages more" in trials.notes[0] and capfd.readouterr().err == ""
    assert len(mock.questions) <= int(told[-1].split()[-2])  # none was asked again and again


def test_a_response_is_cut_where_the_policy_s_would_be():
    writer = Writer(Chat(load_tokenizer("nano")), 20)
    assert writer.longest == 20 * len("</think>") and writer.opening == ""
    short, long = writer.respond("<think>so</think>x=2"), writer.respond("<think>" + "so " * 20)
    assert (short.finish, len(short), short.token_ids_T[-1]) == ("stop", 8, writer.tokenizer.eos_token_id)
    assert (long.finish, len(long), long.text) == ("length", 20, "<think>so so so so so so s")
    assert writer.respond("so " * 20, whole=True).text == "so " * 20
    assert len(writer.respond("so", "length")) == 2 and 15 < writer.length(writer.rambling(18)) <= 18
    blind = Writer(None, 20)
    assert blind.length("four" * 5) == 5 and len(blind.respond("x" * 1000).text) == 80


def test_the_form_of_a_response_goes_by_what_the_prompt_has_begun():
    texts = {opening: Form(opening, tagged=True).chain("so", "3") for opening in ("", "<think>", "<think></think>")}
    inside = "<answer>3</answer>"
    assert list(texts.values()) == [f"<think>so</think>{inside}", f"so</think>{inside}", inside]
    closed = Subject(Problem("1", "t", "What?", "3"), Form("<think></think>"), right="3", wrong="4", filler="so " * 9)
    written = {case.name: case.write(closed) for case in CASES}
    assert written["right"] == "3" and written["wrong, without form"] == "<think></think>4"
    assert written["right, nearly too long"] is None is written["right, without tags"]


def test_other_answers_are_like_the_right_one():
    assert list(changed("B")) == ["A", "C", "D", "E"]
    assert list(changed("x=2, x=3")) == ["x=2, x=4", "x=2, x=2"]
    assert list(changed("0")) == ["1"] and list(changed("Paris")) == []


def test_every_case_says_what_must_be_true_of_it():
    assert len({case.name for case in CASES}) == len(CASES)
    subject = Subject(Problem("1", "t", "What?"), Form())  # nothing is known of it
    for case in CASES:
        text = case.write(subject)
        assert text is None or case.kind in (NOTHING, TRICK), case.name
