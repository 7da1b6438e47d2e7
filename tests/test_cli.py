import json
import subprocess
import sys

import pytest

from groupthink import cli
from groupthink.run.directory import Run


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "checkpoint_evry=4"], "did you mean checkpoint_every?"),
        (["train", "absent.toml"], "no recipe at absent.toml"),
        (["train", "a.toml", "b.toml"], "one recipe at a time"),
        (["train", "--resume"], "--resume needs --run DIR"),
        (["train", "--resume", "--run", "absent"], "no run in absent"),
        (["train", "--resume", "--run", "absent", "a.toml"], "takes its own recipe"),
    ],
)
def test_what_a_user_got_wrong_is_one_message_and_exit_code_2(words, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("groupthink: ") and said in captured.err
    assert "Traceback" not in captured.err and captured.out == ""


def test_a_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("GROUPTHINK_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["train", "absent.toml"])


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(["train", "--rum", "x"])
    assert refused.value.code == 2
    assert "--rum" in capsys.readouterr().err


def test_training_prints_one_object_alone_on_standard_output(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def train(run, view):
        view.note("hello")
        return {"steps": run.recipe.steps}

    monkeypatch.setattr("groupthink.stage.train", train)
    assert cli.main(["train", "--json", "steps=3"]) == 0
    assert cli.main(["train", "--json", "steps=4"]) == 0
    decoder, out = json.JSONDecoder(), capsys.readouterr().out
    first, end = decoder.raw_decode(out)
    assert first == {"run": "runs/nano", "steps": 3}
    assert decoder.raw_decode(out[end:].strip())[0] == {"run": "runs/nano-2", "steps": 4}


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def train(run, view):
        raise KeyboardInterrupt

    monkeypatch.setattr("groupthink.stage.train", train)
    assert cli.main(["train", "--run", str(tmp_path / "r")]) == 130
    assert capsys.readouterr().err == (
        f"groupthink: stopped; go on with: groupthink train --resume --run {tmp_path / 'r'}\n"
    )


def test_a_run_that_is_there_is_not_begun_again(monkeypatch, capsys, tmp_path):
    from groupthink.recipe import Recipe

    Run.create(tmp_path / "r", Recipe())
    assert cli.main(["train", "--run", str(tmp_path / "r")]) == 2
    assert "--resume" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = "import sys, groupthink.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "numpy", "pyarrow", "rich"} & set(loaded)
