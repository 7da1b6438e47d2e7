"""Data sets as tasks, in the forms in which they are published, whole and damaged."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Problem
from groupthink.stage.named import require_named
from groupthink.task import open_demonstrated, open_task, open_tasks, reading
from groupthink.task.columns import last_boxed
from groupthink.task.data import DataTask
from groupthink.task.settings import NOTHING, TaskSettings
from groupthink.task.tables import read_splits

SUMS = [{"question": f"What is {i}+{i}?", "answer": str(2 * i)} for i in range(60)]


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def open_data(place: Path | str, seed: int = 0, split: str = "held_out", **settings) -> DataTask:
    return open_tasks(TaskSettings(data=str(place), split=split, **settings), seed)


def every(task: DataTask) -> dict[str, Problem]:
    return {str(problem.prompt): problem for problem in task.sample(0, task.size) + task.held_out(9999)}


@pytest.fixture
def sums(tmp_path):
    return write(tmp_path / "sums.jsonl", SUMS)


def test_epochs_hold_every_problem_once_each_in_an_order_of_its_own(sums):
    task = open_data(sums, held_out=0.2)
    size = task.size
    first, second = task.sample(0, size), task.sample(1, size)
    ids = {problem.id for problem in first}
    assert len(ids) == size == len({problem.id for problem in second}) and ids == {problem.id for problem in second}
    assert first != second
    assert task.sample(3, 7) == open_data(sums, held_out=0.2).sample(0, 28)[21:]
    assert Counter(p.id for step in range(size) for p in task.sample(step, 3)) == dict.fromkeys(ids, 3)
    assert open_data(sums, seed=1, held_out=0.2).sample(0, size) != first


def test_what_is_only_imitated_is_imitated_wholly(sums, tmp_path):
    name = f"data:{sums}"
    task = open_demonstrated(name, 0, TaskSettings())
    assert (task.size, task.held_out(9)) == (len(SUMS), [])
    assert task.notes[-2].startswith("all of it is imitated")
    for measured in (TaskSettings(data=str(sums)), TaskSettings(name), TaskSettings(mixture=("quadratics", name))):
        assert open_demonstrated(name, 0, measured).size == open_data(sums).size < len(SUMS)


def test_of_what_is_measured_by_a_split_of_its_own_all_else_is_imitated(tmp_path):
    write(tmp_path / "sums/train.jsonl", SUMS)
    write(tmp_path / "sums/test.jsonl", SUMS[:7])
    settings = TaskSettings(data=str(tmp_path / "sums"), split="test")
    assert open_demonstrated("data", 0, settings).size == len(SUMS) - 7


def test_no_evaluation_can_draw_from_nothing():
    with pytest.raises(ValueError, match=r"task\.split is empty"):
        TaskSettings(split=NOTHING)


def test_a_share_is_held_out_by_a_hash_of_the_prompt_whatever_the_seed_and_the_order(sums, tmp_path):
    task, turned = open_data(sums, held_out=0.2), write(tmp_path / "turned.jsonl", SUMS[::-1])
    held = [problem.prompt for problem in task.held_out(100)]
    assert 4 <= len(held) <= 20
    assert not set(held) & {problem.prompt for problem in task.sample(0, task.size)}
    assert [problem.prompt for problem in open_data(turned, seed=5, held_out=0.2).held_out(100)] == held
    assert task.held_out(3) == task.held_out(100)[:3]


def test_a_split_of_the_data_set_is_held_out_and_what_is_in_both_is_not_trained_on(tmp_path):
    write(tmp_path / "gsm/train.jsonl", SUMS)
    write(
        tmp_path / "gsm/test.jsonl", [{"question": " What is  3+3? ", "answer": "6"}, {"question": "Q", "answer": "1"}]
    )
    task = open_data(tmp_path / "gsm", split="test")
    assert {problem.prompt for problem in task.held_out(9)} == {"What is  3+3?", "Q"}
    assert task.size == 59 and "What is 3+3?" not in {problem.prompt for problem in task.sample(0, 59)}
    assert any("1 problems are in train and in test" in note for note in task.notes)


def test_gsm8k_as_published(tmp_path):
    worked = "He sold 48/2 = <<48/2=24>>24 clips.\nAltogether <<48000+24=48024>>48,024.\n#### 48,024"
    rows = [{"question": f"How many clips ({i})?", "answer": worked} for i in range(20)]
    for split in ("train", "test"):
        path = tmp_path / f"gsm8k/main/{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        own = rows if split == "train" else [{**row, "question": row["question"] + "!"} for row in rows]
        parquet.write_table(pa.Table.from_pylist(own), path)
    task = open_data(tmp_path / "gsm8k", split="test")
    (problem,) = task.sample(0, 1)
    assert problem.answer == "48024" and task.size == 20 and len(task.held_out(99)) == 20
    assert problem.info["solution"] == "He sold 48/2 = 24 clips.\nAltogether 48,024."
    assert task.demonstrate(problem, True) == f"<think>{problem.info['solution']}</think>48024"
    assert task.verify(problem, "That makes 48024").right and not task.verify(problem, "48025").right
    assert task.verify(problem, "<think>1</think>48024", lenient=True).right
    assert any("'number'" in note for note in task.notes)


def test_math_as_published_is_a_file_a_problem(tmp_path):
    for split, count in (("train", 6), ("test", 3)):
        for i in range(count):
            path = tmp_path / f"MATH/{split}/{'algebra' if i % 2 else 'geometry'}/{i}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            solution = rf"Since \boxed{{1}} is not it, we have $x=\boxed{{\frac{{{i}}}{{7}}}}$."
            path.write_text(json.dumps({"problem": f"Find $x_{i}$ {split}", "level": "Level 2", "solution": solution}))
    task = open_data(tmp_path / "MATH", split="test", verify="exact")
    assert task.size == 6 and len(task.held_out(9)) == 3
    found = {problem.prompt: problem for problem in task.sample(0, 6)}
    assert found["Find $x_3$ train"].answer == r"\frac{3}{7}" and found["Find $x_3$ train"].info["level"] == "Level 2"


def test_an_answer_column_goes_before_a_worked_solution(tmp_path):
    rows = [{"problem": f"p{i}", "solution": r"so \boxed{1}", "answer": r"\frac12"} for i in range(30)]
    task = open_data(write(tmp_path / "math500.jsonl", rows), verify="exact")
    assert task.sample(0, 1)[0].answer == r"\frac12" and task.sample(0, 1)[0].info["solution"] == r"so \boxed{1}"


def test_chats_and_inner_columns_as_verl_has_them(tmp_path):
    rows = [
        {"prompt": [{"role": "user", "content": f"{i}?"}], "reward_model": {"ground_truth": str(i), "style": "rule"}}
        for i in range(30)
    ]
    path = tmp_path / "train.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    task = open_data(path)
    problem = every(task)["({'role': 'user', 'content': '7?'},)"]
    assert problem.answer == "7"
    assert "'prompt', the answer is its column 'reward_model.ground_truth'" in task.notes[0]


def test_the_recipe_names_columns(tmp_path):
    rows = [{"meta": {"asked": f"q{i}"}, "prompt": "not this", "gold": i} for i in range(30)]
    path = write(tmp_path / "odd.jsonl", rows)
    task = open_data(path, prompt="meta.asked", answer="gold")
    assert every(task)["q7"].answer == "7"
    with pytest.raises(ValueError, match=r"task.answer is 'gould'.*did you mean gold\? \(there are: meta, meta.asked"):
        open_data(path, prompt="meta.asked", answer="gould")


@pytest.mark.fault("B12")
@pytest.mark.parametrize("columns", [{"question": "q"}, {"answer": "1"}, {"question": "q", "gold": "1"}])
def test_a_missing_column_is_an_error_that_lists_the_columns(tmp_path, columns):
    with pytest.raises(ValueError, match=f"there are: {', '.join(columns)}"):
        open_data(write(tmp_path / "rows.jsonl", [columns]))


def test_programs_come_with_their_tests(tmp_path):
    from groupthink.task.program_tests import read_tests

    mbpp = [
        {"text": f"Write f{i}.", "code": "...", "test_list": [f"assert f{i}(1) == 2"], "test_setup_code": "import math"}
        for i in range(30)
    ]
    task = open_data(write(tmp_path / "mbpp.jsonl", mbpp))
    problem = every(task)["Write f3."]
    assert problem.answer is None and problem.info["tests"] == ["assert f3(1) == 2"]
    assert problem.info["test_setup_code"] == "import math"
    assert not task.verify(problem, "def f3(x): return 2").right
    assert "its tests decide" in task.notes[0]
    kod = [{"question": f"q{i}", "solution": "def f(): ...", "test": "assert f()"} for i in range(9)]
    assert every(open_data(write(tmp_path / "kod.jsonl", kod)))["q3"].answer is None
    level = [{"question": f"q{i}", "answer": str(i), "test": "easy"} for i in range(9)]
    task = open_data(write(tmp_path / "level.jsonl", level))
    assert every(task)["q3"].answer == "3" and "tests" not in every(task)["q3"].info
    human = {"prompt": "def f():", "test": "def check(f): assert f()", "entry_point": "f", "canonical_solution": ""}
    assert read_tests(human) == "def check(f): assert f()"
    apps = {"question": "Add.", "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})}
    assert read_tests(apps) == [{"input": "1 2\n", "output": "3\n"}]
    with pytest.raises(ValueError, match="row 1: the tests cannot be read"):
        open_data(write(tmp_path / "apps.jsonl", [{"question": "Add.", "input_output": "{"}] * 9))


def test_a_program_without_tests_is_left_out_and_the_others_stay(tmp_path):
    rows = [{"text": f"Write f{i}.", "test_list": [f"assert f{i}(1) == 2"]} for i in range(30)]
    rows += [{"text": "Write anything."}, {"text": "Write less.", "test_list": []}]
    task = open_data(write(tmp_path / "mbpp.jsonl", rows))
    assert set(every(task)) == {f"Write f{i}." for i in range(30)}
    assert "2 rows of train without tests are left out" in task.notes
    few = [{"text": f"{i}?", "answer": str(i), "metadata": "no JSON"} for i in range(20)] + rows[:9]
    task = open_data(write(tmp_path / "mixed.jsonl", few))  # most have answers: those are compared, and tests go along
    assert len(every(task)) == 29 and every(task)["Write f3."].answer is None


def test_hidden_tests_of_livecodebench_are_read_and_never_run(tmp_path):
    import base64
    import pickle
    import zlib

    from groupthink.task.program_tests import read_tests

    cases = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()
    row = {"question_content": "Add one.", "public_test_cases": json.dumps(cases), "private_test_cases": packed}
    assert read_tests(row) == [{"input": "1\n", "output": "2\n"}] * 2

    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "told",))

    hostile = base64.b64encode(zlib.compress(pickle.dumps(Attack()))).decode()
    with pytest.raises(ValueError, match="the tests cannot be read"):
        read_tests({**row, "private_test_cases": hostile})
    assert not (tmp_path / "told").exists()


def test_what_is_empty_repeated_or_disputed_is_left_out_and_said(tmp_path):
    rows = [
        *SUMS,
        {"question": "empty?", "answer": ""},
        {"question": "none?"},
        {"question": "nan?", "answer": float("nan")},
        {"question": "  ", "answer": "1"},
        SUMS[0],
        {"question": "what?", "answer": "1"},
        {"question": "what? ", "answer": "2"},
        {"question": "whole", "answer": 4.0},
        {"question": "number", "answer": 5},
        {"question": "list", "answer": ["6"]},
    ]
    task = open_data(write(tmp_path / "rows.jsonl", rows))
    found = every(task)
    assert len(found) == 63 and (found["whole"].answer, found["number"].answer, found["list"].answer) == ("4", "5", "6")
    told = "\n".join(task.notes)
    for note in (
        "3 rows of train without an answer",
        "1 rows of train without a problem",
        "2 rows of train that repeat another",
        "1 problems of train come with different answers",
        "mixed types (float, int, list, str)",
    ):
        assert note in told, note


def test_byte_order_marks_nuls_and_lone_surrogates_are_no_harm(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) for row in SUMS] + ['{"question": "a\\ud800b\\u0000", "answer": "\\udfff1"}']
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    task = open_data(path, verify="exact")
    assert len(every(task)) == 61 and every(task)["a?b\0"].answer == "?1"
    table = tmp_path / "rows.csv"
    table.write_bytes(
        b"\xef\xbb\xbfquestion,answer\r\n" + b"".join(b'"%d, or\r\nso?",%d\r\n' % (i, i) for i in range(30))
    )
    assert every(open_data(table))["7, or\r\nso?"].answer == "7"


@pytest.mark.parametrize(
    ("name", "held", "message"),
    [
        ("a.jsonl", b'{"question": "q", "answer": "1"}\n{"question": "q2", "ans', "line 2, is not JSON"),
        ("a.jsonl", b'["question"]\n', "line 1, is no JSON object"),
        ("a.jsonl", b'{"question": "\xff"}\n', "line 1, is not UTF-8"),
        ("a.jsonl", '{"question": "q"}'.encode("utf-16"), "UTF-16"),
        ("a.jsonl", b"\n\n", "has no rows"),
        ("a.json", b"[1, 2]", "row 1, is no JSON object"),
        ("a.csv", b"question,answer\nq,1,2\n", "line 2, has more fields"),
        ("a.csv", b'question,answer\n"q,1\n', "is not CSV"),
        ("a.csv", b"question,question\nq,1\n", "names a column twice"),
        ("a.parquet", b"PAR1 and no more", "no whole Parquet file"),
        ("a.txt", b"q", "is of no known kind"),
        ("a.jsonl", b'{"question": {"a": 1}, "answer": "1"}\n', "row 1: the problem is an object"),
        ("a.jsonl", b'{"question": "q", "answer": {"a": 1}}\n', "row 1: the answer is an object"),
        ("a.jsonl", b'{"question": "q", "answer": ["1", "2"]}\n', "row 1: the answer is a list of 2"),
        (
            "a.jsonl",
            b'{"messages": [{"role": "assistant", "content": "x"}], "answer": "1"}\n',
            "ends with the assistant",
        ),
        (
            "a.jsonl",
            b'{"question": "q", "answer": "1"}\n',
            "leaves no problem to hold out|leaves no problem to train on",
        ),
    ],
)
def test_what_is_broken_is_named(tmp_path, name, held, message):
    (tmp_path / name).write_bytes(held)
    with pytest.raises(ValueError, match=message):
        open_data(tmp_path / name)


def test_places_and_splits_that_are_not_there(tmp_path, sums):
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        open_data(tmp_path / "no.jsonl")
    with pytest.raises(ValueError, match=r"no split 'tset'"):
        open_data(sums, split="tset")
    with pytest.raises(ValueError, match=r"which is what .* trains on"):
        open_data(sums, split="train")
    with pytest.raises(ValueError, match="holds no data"):
        (tmp_path / "bare").mkdir()
        open_data(tmp_path / "bare")
    for part in ("main", "socratic"):
        write(tmp_path / f"gsm8k/{part}/train.jsonl", SUMS)
    with pytest.raises(ValueError, match=r"holds several data sets: name one of .*gsm8k/main, .*gsm8k/socratic"):
        open_data(tmp_path / "gsm8k")


def test_the_hub_is_asked_through_datasets(monkeypatch):
    asked = []

    def load_dataset(name, configuration):
        asked.append((name, configuration))
        rows = SimpleNamespace(to_list=lambda: list(SUMS))
        return {"train": rows, "test": SimpleNamespace(to_list=lambda: [{"question": "Q", "answer": "1"}])}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    task = open_task("data:openai/gsm8k:main", split="test")
    assert asked == [("openai/gsm8k", "main")] and task.size == 60 and task.held_out(5)[0].prompt == "Q"
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'groupthink\[data\]'"):
        open_task("data:openai/gsm8k")


def test_a_folder_that_datasets_saved(tmp_path):
    datasets = pytest.importorskip("datasets", reason="pip install 'groupthink[data]'")
    datasets.Dataset.from_list(SUMS).save_to_disk(tmp_path / "saved")
    assert len(every(open_data(tmp_path / "saved"))) == 60


def test_what_does_not_fit_is_left_out(sums):
    task = open_data(sums)
    left = task.keep(lambda problem: "5" not in problem.prompt, "too long")
    assert left and all("5" not in prompt for prompt in every(task))
    with pytest.raises(ValueError, match="no problem of data is left to train on: too long"):
        task.keep(lambda problem: False, "too long")


def test_the_last_box_that_is_closed_counts_and_a_thousand_open_ones_take_no_time():
    assert last_boxed(r"\boxed{1} \boxed{2 \fbox{3}} \boxed{4") == "3"
    assert last_boxed(r"\boxed{\frac{1}{2}} } {") == r"\frac{1}{2}"
    begun = time.monotonic()
    assert last_boxed(r"\boxed{" * 100_000) is None
    assert time.monotonic() - begun < 2


def test_every_column_goes_along_for_rewards_that_ask_for_it(tmp_path):
    rows = [
        {
            "question": f"{i}?",
            "answer": str(i),
            "nums": [i, 2],
            "extra_info": {"split": "train", "index": i},
            "none": None,
        }
        for i in range(30)
    ]
    [problem] = open_data(write(tmp_path / "rows.jsonl", rows)).sample(0, 1)
    index = int(problem.answer)
    others = {"nums": [index, 2], "extra_info": {"split": "train", "index": index}}
    assert problem.info == {"answer": str(index), **others}


def test_what_was_read_is_read_again_only_where_the_file_was_changed(sums, monkeypatch):
    read = []
    monkeypatch.setattr(reading, "read_splits", lambda place: read.append(place) or read_splits(place))
    told = []
    recipe = load_recipe(overrides=[f"task.data={sums.as_posix()}", "task.held_out=0.2"])
    require_named(recipe, told.append)
    first = open_tasks(recipe.task, recipe.seed)
    assert len(read) == 1 and tuple(told) == first.notes
    first.keep(lambda problem: "5" not in problem.prompt, "too long")
    assert len(every(open_tasks(recipe.task, recipe.seed))) == 60 and len(read) == 1  # nobody else's was changed
    write(sums, SUMS[:40])
    assert len(every(open_tasks(recipe.task, recipe.seed))) == 40 and len(read) == 2
    open_data(sums, held_out=0.3)
    assert len(read) == 3
