import json
import os
import signal
import subprocess
import sys
import time

import pytest

from groupthink import cli, stopping
from groupthink.recipe import Recipe, load_recipe
from groupthink.run.directory import Run
from groupthink.stage.settings import EvaluateSettings

WAITING = """\
import signal, sys, time
from groupthink import cli, stopping

def wait(args):
    try:
        print("waiting", flush=True)
        time.sleep(60)
    finally:
        print("closing", flush=True)
        time.sleep(float(sys.argv[1]))

signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
cli.explain = wait
sys.exit(cli.main(["explain"]))
"""
"""A command line whose one verb waits, and takes some seconds to close."""


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


@pytest.mark.fault("B13")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "checkpoint_evry=4"], "did you mean checkpoint_every?"),
        (["train", "absent.toml"], "no recipe at absent.toml"),
        (["train", "countdown"], "did you mean countdown-3b?"),
        (["train", "chat.thinking=on"], "does not look at enable_thinking"),
        (["train", "--dry-run", "chat.thinking=on"], "does not look at enable_thinking"),
        (["eval", "nano", "--template", "plan"], "chat.template is 'plan': did you mean plain?"),
        (["train", "a.toml", "b.toml"], "one recipe at a time"),
        (["train", "--resume"], "--resume needs --run DIR"),
        (["train", "--resume", "--dry-run"], "--resume needs --run DIR"),
        (["train", "--dry-run", "model=./absent"], "there is no folder './absent'"),
        (["train", "model=./absent"], "there is no folder './absent'"),
        (["eval", "./absent"], "there is no folder './absent'"),
        (["train", "task.name=arithmetic", "task.split=beyond"], "no split 'beyond'"),
        (["train", "--dry-run", "task.name=arithmetic", "task.split=beyond"], "no split 'beyond'"),
        (["train", "objective.surrogate=absent.py:f"], "there is no file"),
        (["train", "reward.absent.py:f=1"], "there is no file"),
        (["train", "lora.rank=4", "policy.processes=2"], "learn in one process"),
        (["eval", "nano", "--task", "quadratic"], "did you mean quadratics?"),
        (["eval", "nano", "--task", "arithmetic", "--split", "beyond"], "no split 'beyond'"),
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
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "choose from 'train', 'eval', 'check', 'explain', 'doctor'"),
        ([], "{train,eval,check,doctor,report,view,explain,serve,chat}"),
        (["train", "--rum", "x"], "--rum"),
        (["eval", "nano", "--problems", "0"], "give a whole number from 1 upwards"),
        (["eval", "nano", "--samples", "2.5"], "give a whole number from 1 upwards"),
    ],
)
def test_words_that_are_no_command_are_refused_with_the_usage(words, said, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    captured = capsys.readouterr()
    assert refused.value.code == 2 and captured.out == ""
    assert captured.err.startswith("usage: groupthink") and said in captured.err


def test_the_defaults_of_eval_are_those_of_a_recipe(capsys):
    args = cli._parse(["eval", "nano"])
    assert (args.problems, args.samples) == (EvaluateSettings().problems, EvaluateSettings().samples)


def test_a_damaged_model_is_named(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"not this")
    assert cli.main(["eval", str(tmp_path)]) == 2
    assert f"{tmp_path / 'model.safetensors'} is damaged" in capsys.readouterr().err


def test_a_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("GROUPTHINK_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["train", "absent.toml"])


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


def waiting(closing):
    """The process of a command line that waits, and takes `closing` seconds to close."""
    command = [sys.executable, "-c", WAITING, str(closing)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_and_the_same_signal_at_once_is_the_same_stop(number):
    process = waiting(closing=0.1)
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (128 + number, "closing\n", "groupthink: stopped\n")


@pytest.mark.fault("F5")
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
def test_a_second_signal_ends_it_at_once():
    process = waiting(closing=60)
    process.send_signal(signal.SIGTERM)
    time.sleep(stopping.SAME_STOP + 0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == -signal.SIGTERM


def test_output_that_nobody_reads_ends_it_quietly():
    command = [sys.executable, "-m", "groupthink.cli", "train", "--dry-run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == "groupthink: nobody reads the output any more\n"
    assert process.wait(timeout=30) == 141


def test_a_run_that_is_there_is_not_begun_again(monkeypatch, capsys, tmp_path):
    with Run.create(tmp_path / "r", Recipe()):
        pass
    assert cli.main(["train", "--run", str(tmp_path / "r")]) == 2
    assert "--resume" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = "import sys, groupthink.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "numpy", "pyarrow", "rich"} & set(loaded)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("serve ./absent --port 0", "there is no folder './absent': give a run"),
        ("eval ./absent", "there is no folder './absent': give a run"),
        ("eval empty", "'empty' holds no model"),
        ("chat ./absent", "there is no folder './absent': give a run"),
        ("train model=./absent", "there is no folder './absent': give a run"),
        ("train r1 --run empty/..", "is there already: go on with it by --resume"),
        ("train r1 zero.step=3", "did you mean"),
        ("check model=./absent", "there is no folder './absent': give a run"),
        ("check r1 zero.step=3", "did you mean"),
        ("train --run empty/.. nano", "is there already: go on with it by --resume"),
        ("train --run absent --resume", "there is no run in absent to resume"),
        ("view absent", "there is no folder absent: name the one that holds your runs"),
        ("report absent", "there is no run in absent: name the folder"),
        ("doctor absent", "there is no run in absent: name the folder"),
        ("eval absent/of/all", "it is no folder here, and https://huggingface.co can have none of that name"),
        ("eval absent", "it is no folder here, and https://huggingface.co did not give it"),
    ],
)
def test_a_wrong_name_is_refused_before_torch_is_imported(words, said, tmp_path):
    (tmp_path / "empty").mkdir()
    code = "import sys, groupthink.cli as cli\ncode = cli.main(sys.argv[1:])\nprint(*sys.modules)\nsys.exit(code)"
    refused = subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")},
    )
    assert refused.returncode == 2 and said in refused.stderr, refused.stderr
    assert "groupthink.cli" in refused.stdout and not {"torch", "transformers"} & set(refused.stdout.split())
