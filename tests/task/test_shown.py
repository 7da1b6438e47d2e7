"""Solutions in the forms in which they are published."""

import json

import pytest

from groupthink.task import open_task
from groupthink.task.hashed import share_of
from groupthink.task.settings import TaskSettings

ASKED = [{"role": "user", "content": "2*3?"}]
FORMS = {
    "reasoning apart": {
        "messages": [*ASKED, {"role": "assistant", "reasoning_content": "two threes\n", "content": "\n6"}]
    },
    "in one piece": {"messages": [*ASKED, {"role": "assistant", "content": "<think>two threes\n</think>\n6"}]},
    "a completion of messages": {
        "prompt": ASKED,
        "completion": [{"role": "assistant", "content": "<think>two threes\n</think>\n6"}],
    },
    "a completion": {"prompt": "2*3?", "completion": "<think>two threes\n</think>\n6"},
}


def open_rows(tmp_path, rows, **settings):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_task(f"data:{tmp_path / 'rows.jsonl'}", settings=TaskSettings(**settings))


def other(row: dict) -> dict:
    """A second problem: one is held out."""
    return json.loads(json.dumps(row).replace("2*3?", "3*2?"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [{"answer": "6"}, {}])
def test_a_solution_is_imitated_to_the_letter(tmp_path, form, answer):
    row = FORMS[form] | answer
    task = open_rows(tmp_path, [row, other(row)])
    (problem,) = task.sample(0, 1)
    assert task.demonstrate(problem, careful=True) == "<think>two threes\n</think>\n6"
    assert problem.answer == "6" and problem.columns == ({"answer": "6"} if answer else {})
    assert problem.prompt if isinstance(problem.prompt, str) else problem.prompt[-1]["role"] == "user"


def test_each_epoch_shows_the_next_solution_of_a_problem(tmp_path):
    held, asked = sorted(("2*3?", "3*2?"), key=share_of)  # at least one problem is held out: the first by its hash
    rows = [{"prompt": asked, "completion": f"<think>{way}</think>6", "answer": "6"} for way in "abc"]
    task = open_rows(tmp_path, [*rows, rows[0], rows[0] | {"prompt": held}])
    problems = [task.sample(epoch, 1)[0] for epoch in range(4)]
    shown = [task.demonstrate(problem, careful=True) for problem in problems]
    assert shown == [f"<think>{way}</think>6" for way in "abca"]
    assert {(problem.id, problem.prompt) for problem in problems} == {(problems[0].id, asked)}
    assert "1 rows of train that repeat another are left out" in task.notes


def test_a_solution_that_states_no_answer_can_be_imitated(tmp_path):
    row = {"messages": [*ASKED, {"role": "assistant", "content": f"<think>hm</think>{'A long story. ' * 9}"}]}
    task = open_rows(tmp_path, [row, other(row)])
    (problem,) = task.sample(0, 1)
    assert problem.answer is None and task.demonstrate(problem, careful=True).endswith("A long story. ")


def test_withheld_answers_are_not_shown(tmp_path):
    row = FORMS["a completion"] | {"answer": "6"}
    task = open_rows(tmp_path, [row, other(row)], unlabelled=True)
    assert not task.sample(0, 1)[0].info


def test_one_of_two_forms_of_a_file_is_read(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = [{"question": f"{i}?", "answer": str(i)} for i in range(30)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = open_task(f"data:{tmp_path}")
    assert not any("repeat another" in note for note in task.notes)
