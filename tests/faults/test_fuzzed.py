"""What `bench/fuzz.py` has found, each as a small literal; and a short run of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from groupthink.insight.bundle.contents import read_trees
from groupthink.insight.doctor import examine
from groupthink.insight.report import read_report
from groupthink.nearest import nearest
from groupthink.recipe import load_recipe
from groupthink.records import Problem
from groupthink.reward.unit_tests import read_tests
from groupthink.run.lines import append_line, read_events, read_lines
from groupthink.run.metrics import read_metrics
from groupthink.run.standing import find_standing
from groupthink.task.roots import last_roots, parse_roots
from groupthink.task.worked import traits
from groupthink.web.reading.evaluations import described, evaluations_of
from groupthink.web.reading.groups import read_group
from groupthink.web.reading.health import health_of
from groupthink.web.reading.numbers import known
from groupthink.web.reading.problems import list_problems
from groupthink.web.reading.settings import recipe_of, toml_of
from groupthink.web.search.query import read_query
from groupthink.web.search.walk import search
from groupthink.web.serve.fields import BadRequest
from groupthink.web.serve.request import read_chat
from tests.web.made import begin_run, made_run, row, write_step

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def quick(read, *given):
    """What it gives, within a second of a processor: of what grows with a power of the length, minutes are likely."""
    began = time.process_time()
    found = read(*given)
    assert time.process_time() - began < 1
    return found


@pytest.mark.parametrize(
    "text",
    ["x=1" + "; 3" * 60 + " [", "( 1)/2" + "; ( 1)/2" * 22 + " [", "x=( 1 ± 2)/ 3" + ", ( 1 ±  2)/  3" * 11 + " ["],
)
def test_blanks_between_roots_are_read_in_one_way(text):
    assert quick(parse_roots, text) is None
    quick(last_roots, text)


def test_a_run_of_digits_has_the_traits_that_it_has():
    assert quick(traits, "9" * 40_000) == frozenset()
    assert quick(traits, "9*" * 20_000) == frozenset()
    assert traits("12*3: 36") == {"factoring"}


def test_a_name_that_nobody_has_mistyped_is_not_compared_for_long():
    assert quick(nearest, "steps" + "{" * 100_000, ["policy.learning_rate", "steps"]) in (
        "steps",
        "policy.learning_rate",
    )
    with pytest.raises(BadRequest, match="unknown field"):
        quick(read_chat, {"messages": [{"role": "user", "content": "?"}], "[" * 900_000: 1})


def test_a_temperature_by_which_no_number_can_be_divided_is_none():
    """It made logits infinite, and whatever else the lane drew at the moment failed with it."""
    message = {"role": "user", "content": "?"}
    for temperature, wanted in ((1e-320, 0.0), (5e-6, 0.0), (0, 0.0), (1e-3, 1e-3), (2, 2.0)):
        assert read_chat({"messages": [message], "temperature": temperature}).asked.temperature == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("task = " + "[" * 5_000, f"[reward]\naccuracy = 1{'0' * 400}\n", "steps = 1e400", "steps = [[1]]"),
        *("[objective.name]\nx = 1\n", "[objective]\nname = ['grpo']\n"),
        *("[task]\n'chain_sum:x' = nan\n", "[task]\n'chain_sum:x' = [1, {y = [-inf]}]\n"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path, text):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(ValueError):
        load_recipe(tmp_path / "recipe.toml")
    with pytest.raises(ValueError):
        load_recipe(overrides=["task.problems_per_step=" + "[" * 5_000])


@pytest.mark.parametrize("text", ["a." * 100_000 + "a = 1", "x = " + "[" * 100_000, "x = " + "{a.b.c = " * 100_000])
def test_a_run_s_recipe_that_is_nested_deeply_hangs_and_ends_nobody(tmp_path, text):
    run = begin_run(tmp_path / "run")
    (run / "recipe.toml").write_text(text)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"recipe\.toml is not TOML"):
        recipe_of(run)
    assert toml_of(run) == "" and [tree.get("event") for tree in read_trees(run)] == ["started"]
    assert time.process_time() - began < 2


def test_tests_that_are_nested_too_deeply_are_refused():
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    for tests in ([{"input": [deep], "output": 1, "function": "f"}], ["assert f(" + "[" * 5_000], "-" * 200_000 + "1"):
        with pytest.raises(ValueError, match="problem p has tests that cannot be used"):
            read_tests(Problem(id="p", task="t", prompt="?", answer=None, info={"tests": tests}))


def test_imports_of_tests_may_be_one_text():
    info = {"tests": ["assert f(1)"], "test_imports": "import math\nimport re"}
    tests = read_tests(Problem(id="p", task="t", prompt="?", answer=None, info=info))
    assert tests.setup == "import math\nimport re"


@pytest.mark.parametrize("cause", [[None], {"a": 1}, 3])
def test_a_finding_of_an_odd_cause_is_told_as_text(tmp_path, cause):
    run = begin_run(tmp_path / "run")
    event = {"event": "finding", "time": 1.0, "cause": cause, "evidence": "e", "advice": "a", "step": 1}
    append_line(run / "events.jsonl", event)
    assert [one["cause"] for one in health_of(run).findings] == [str(cause)]
    assert len(examine(run).earlier) == 1


@pytest.mark.parametrize("line", ['"[]"', "[1]", "3", "null", "[" * 100_000])
def test_a_line_that_is_no_object_is_named(tmp_path, line):
    file = tmp_path / "metrics.jsonl"
    file.write_text(f'{{"step": 0}}\n{line}\n{{"step": 2}}\n')
    with pytest.raises(ValueError, match="line 2 is no JSON object"):
        read_lines(file)


@pytest.mark.parametrize(
    "line", [{"reward": 1.0}, {"step": "1"}, {"step": True}, {"step": 1, "kl": "high"}, {"step": 1, "kl": 10**400}]
)
def test_a_line_of_figures_that_are_none_is_named(tmp_path, line):
    file = tmp_path / "metrics.jsonl"
    file.write_text(f'{{"step": 0, "kl": null}}\n{json.dumps(line)}\n')
    with pytest.raises(ValueError, match="line 2 is no step's"):
        read_metrics(file)


@pytest.mark.parametrize(
    "line", [{"": {"event": "checkpoint"}}, {"event": 3, "time": 1}, {"event": "x", "time": "now"}]
)
def test_a_line_that_is_no_event_is_named(tmp_path, line):
    begin_run(tmp_path / "run")
    with (tmp_path / "run/events.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    for read in (lambda place: read_events(place / "events.jsonl"), examine):
        with pytest.raises(ValueError, match="line 2 is no event"):
            read(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "[]", '[{"steps": [3]}]', '{"steps": [3]}', '{"dropped": {}}', "[" * 100_000])
def test_a_summary_that_is_none_is_named(tmp_path, text):
    run = made_run(tmp_path / "run", steps=2)
    (run / "summary.json").write_text(text)
    for read in (read_report, examine, find_standing):
        try:
            read(run)
        except ValueError as error:
            assert "summary" in str(error) or "finished" in str(error)


@pytest.mark.parametrize("held", [{"pass@1": {"": 0.5}}, {"pass@1": 10**400}, {"traits": [1], "unjudged": 3}])
def test_an_evaluation_of_odd_figures_has_none(tmp_path, held):
    run = begin_run(tmp_path / "run")
    (run / "evaluations").mkdir()
    (run / "evaluations/before.json").write_text(json.dumps(held))
    [evaluation] = evaluations_of(run)
    found = described(evaluation)
    assert found["pass@1"] is None and found["traits"] == {} and found["unjudged"] == {}
    with pytest.raises(ValueError, match="does not say how many samples"):
        read_report(run)
    assert known("0.5") is None and known(10**400) is None
    (run / "evaluations/before.json").write_text(json.dumps({"problems": 1, "samples": 0}))
    with pytest.raises(ValueError, match="does not say how many samples"):
        read_report(run)


@pytest.mark.parametrize(
    "change",
    [{"token_ids": None}, {"parts": [1]}, {"reward": "much"}, {"text": 3}, {"problem": [5, 6]}, {"response": 0.5}],
)
def test_a_table_that_no_run_has_written_is_refused(tmp_path, change):
    run = begin_run(tmp_path / "run")
    write_step(run, 0, [row(0, "x=2")])
    file = run / "rollouts/step-000000.parquet"
    parquet.write_table(pa.Table.from_pylist([parquet.read_table(file).to_pylist()[0] | change]), file)
    with pytest.raises(ValueError, match="does not hold the responses of a step"):
        read_group(run, 0, 0)
    *_, last = search(run, read_query({"text": "x"}))
    assert last["hits"] == 0


def test_a_table_without_its_columns_is_refused(tmp_path):
    run = begin_run(tmp_path / "run")
    write_step(run, 0, [row(0, "x=2")])
    file = run / "rollouts/step-000000.parquet"
    parquet.write_table(parquet.read_table(file).drop_columns(["response"]), file)
    with pytest.raises(ValueError, match="no column response"):
        read_group(run, 0, 0)


def test_a_table_of_uneven_tokens_is_refused(tmp_path):
    run = begin_run(tmp_path / "run")
    write_step(run, 0, [row(0, "x=2"), row(1, "x=3", logprobs=[-0.5])])
    with pytest.raises(ValueError, match="other numbers of tokens in its column logprobs than in token_ids"):
        read_group(run, 0, 0)


def test_a_file_whose_schema_passes_for_that_of_the_one_before_is_searched(tmp_path):
    run = begin_run(tmp_path / "run")
    for step in (0, 1):
        write_step(run, step, [row(0, "x=2"), row(1, "x=3")])
    file = run / "rollouts/step-000000.parquet"
    file.write_bytes(file.read_bytes().replace(b"sampled", b"sampleD", 1))  # a group: pyarrow compares its leaves alone
    *hits, last = search(run, read_query({"preset": "longest"}))
    assert [line["hit"]["step"] for line in hits if "hit" in line] == [1, 1] and last["hits"] == 2
    with pytest.raises(ValueError, match="no column sampled"):
        read_group(run, 0, 0)


@pytest.mark.parametrize("change", [{"text": None}, {"sampled": None}, {"token_ids": [None, 1, 2]}, {"response": None}])
def test_a_table_that_lacks_what_every_response_has_is_refused(tmp_path, change):
    run = begin_run(tmp_path / "run")
    write_step(run, 0, [row(0, "x=2"), row(1, "x=3") | change])
    with pytest.raises(ValueError, match=f"lacks 1 values of its column {next(iter(change))}"):
        read_group(run, 0, 0)
    for query in ({"text": "x"}, {"preset": "longest"}, {"preset": "repetition"}):
        shown = ["hit" in line for line in search(run, read_query(query))]
        asks = "token_ids" not in change or query == {"preset": "repetition"}
        assert not (asks and any(shown))


@pytest.mark.parametrize(
    "change", [{"right": "yes"}, {"prompt": [1]}, {"problem": None}, {"problem": 5}, {"traits": [5]}]
)
def test_an_evaluation_that_no_run_has_written_is_refused(tmp_path, change):
    held = {"kind": "sampled", "problem": "q/1", "prompt": "Solve", "text": "x=2", "right": True, "traits": ["checks"]}
    folder = made_run(tmp_path / "run", steps=1) / "evaluations"
    folder.mkdir()
    (folder / "before.json").write_text(json.dumps({"problems": 1, "samples": 1}))
    parquet.write_table(pa.Table.from_pylist([held]), folder / "before.parquet")
    assert list_problems(tmp_path / "run", kind="held-out")["total"] == 1
    parquet.write_table(pa.Table.from_pylist([held | change]), folder / "before.parquet")
    # Lists read no traits.
    assert change.keys() == {"traits"} or list_problems(tmp_path / "run", kind="held-out")["total"] == 0
    with pytest.raises(ValueError, match="does not hold an evaluation"):
        read_report(tmp_path / "run")


def test_a_short_run_finds_nothing():
    """Each target in turn. It takes processes of its own: the kernel ends one that hangs."""
    command = [sys.executable, "bench/fuzz.py", "--minutes", "0.007", "--seed", "1", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    said = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=115)
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout)
    assert (found["crashes"], found["hangs"], found["evaluated"]) == (0, 0, 0), found
    assert all(one["inputs"] >= 1 for one in found["targets"].values())


def test_an_hour_may_be_taken_in_pieces(tmp_path):
    """What goes on behind the inputs of a file adds to it, until the target has had its time."""
    command = [sys.executable, "bench/fuzz.py", "roots", "--seed", "1", "--json", "--out", str(tmp_path / "fuzz.json")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}

    def more(minutes: float) -> dict:
        words = [*command, "--minutes", str(minutes), "--more"]
        said = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, said.stderr[-2000:]
        return json.loads(said.stdout)["targets"]["roots"]

    first, second = more(0.02), more(0.04)
    assert first["seconds"] < 0.04 * 60 <= second["seconds"] < 0.04 * 60 + 5 and first["inputs"] < second["inputs"]
    assert more(0.04) == second


def test_an_input_that_is_evaluated_is_seen(tmp_path):
    """The canary sings: a reader that evaluates is told of, by each way that it may take."""
    code = (
        "import sys; sys.path.insert(0, 'bench')\n"
        "from fuzz_watch import Target, fuzz\n"
        "from fuzz_mutate import MARK\n"
        "import json, random\n"
        "texts = ['1+1', f'__import__(\"{MARK}\")', f'open(\"{MARK}\", \"w\")', '1/0', 'while True: pass']\n"
        "def opened(folder):\n"
        "    def read(text):\n"
        "        exec(text) if text.startswith('while') else eval(text)\n"
        "    return lambda draw: texts[draw.randrange(5)], read\n"
        "found = fuzz(Target('evil', 'anything', opened), 60, 0, most=12)\n"
        "print(json.dumps(found))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=110
    )
    found = json.loads(said.stdout)
    told = {(one["kind"], one["what"].split(":")[0]) for one in found["findings"]}
    assert {("evaluated", "imported groupthink_canary"), ("evaluated", "made the file groupthink_canary")} <= told, (
        found
    )
    assert any(kind == "crashes" and what.startswith("ZeroDivisionError") for kind, what in told)
    assert found["hangs"] >= 1 and found["inputs"] == 12
