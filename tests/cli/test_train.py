import json

from groupthink import cli
from groupthink.recipe import Recipe
from groupthink.run.directory import Run


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


def test_what_breaks_while_a_run_is_stopped_is_not_what_is_said(monkeypatch, capsys, tmp_path):
    def train(run, view):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("closed in the middle of its work")

    monkeypatch.setattr("groupthink.stage.train", train)
    assert cli.main(["train", "--run", str(tmp_path / "r")]) == 130
    assert "stopped; go on with" in capsys.readouterr().err
    with Run.resume(tmp_path / "r"):  # nobody holds it any more
        pass


def test_a_run_that_is_there_is_not_begun_again(monkeypatch, capsys, tmp_path):
    with Run.create(tmp_path / "r", Recipe()):
        pass
    assert cli.main(["train", "--run", str(tmp_path / "r")]) == 2
    assert "--resume" in capsys.readouterr().err
