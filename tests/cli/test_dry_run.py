import json

import pytest

from groupthink import cli
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run


@pytest.fixture
def a_run(tmp_path):
    """A run of 6 steps that stopped after 2."""
    with Run.create(tmp_path / "r", load_recipe(overrides=["steps=6"])) as run:
        for done in (0, 2):
            run.checkpoint(done, lambda folder: (folder / "weights.bin").write_bytes(b"x"))
    return run


def everything(path):
    return {file: file.read_bytes() if file.is_file() else None for file in path.rglob("*")}


def test_a_dry_run_prints_a_recipe_that_can_be_used(capsys, tmp_path):
    assert cli.main(["train", "steps=7", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "steps = 7" in out and "A step: " in out
    (tmp_path / "mine.toml").write_text(out)
    assert cli.main(["train", str(tmp_path / "mine.toml"), "--dry-run"]) == 0
    assert capsys.readouterr().out == out


def test_a_dry_run_in_json_is_one_object(capsys):
    assert cli.main(["train", "--dry-run", "--json", "steps=7", "task.name=arithmetic"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"]["steps"] == 7 and found["recipe"]["task"]["name"] == "arithmetic"
    assert found["prompt"].startswith("<|user|>Compute ")


@pytest.mark.fault("S11")
def test_a_dry_run_shows_a_problem_s_words_and_nothing_that_they_do_to_a_terminal(capsys, tmp_path):
    rows = [{"question": f"{i}\x1b[2J\u202e\r\n]]", "answer": i} for i in range(9)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [f"task.data={tmp_path.as_posix()}/rows.jsonl", "task.held_out=0.3"]
    assert cli.main(["train", "--dry-run", *words]) == 0
    out = capsys.readouterr().out
    assert "\\x1b[2J\\u202e\\x0d\n#     ]]<|end|><|assistant|>\n" in out
    assert not {"\x1b", "\u202e", "\r"} & set(out)
    (tmp_path / "mine.toml").write_text(out)
    assert load_recipe(tmp_path / "mine.toml") == load_recipe(overrides=words)


def test_a_dry_run_says_where_a_run_stands_and_changes_nothing(a_run, tmp_path, capsys):
    before = everything(tmp_path)
    words = ["train", "--dry-run", "--resume", "--run", str(a_run.path)]
    assert cli.main([*words, "steps=9"]) == 0
    out = capsys.readouterr().out
    assert out.startswith('stage = "grpo"') and "steps = 9" in out and out.endswith("# 7 of 9 steps remain.\n")
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == str(a_run.path) and found["recipe"]["steps"] == 6 and found["remaining_steps"] == 4
    assert cli.main([*words, "seed=9"]) == 2
    assert "seed: 0 -> 9" in capsys.readouterr().err
    assert cli.main([*words, "steps=1"]) == 2
    assert "already done 2 steps" in capsys.readouterr().err
    assert everything(tmp_path) == before


def test_a_dry_run_says_whether_a_directory_is_taken_and_makes_none(a_run, tmp_path, capsys):
    assert cli.main(["train", "--dry-run", "--run", str(a_run.path)]) == 2
    captured = capsys.readouterr()
    assert f"{a_run.path} is there already" in captured.err and captured.out == ""
    assert cli.main(["train", "--dry-run", "--run", str(tmp_path / "new")]) == 0
    assert f"# The run would be kept in {tmp_path / 'new'}, which is free.\n" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()
