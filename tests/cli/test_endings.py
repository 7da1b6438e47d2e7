import os
import signal
import subprocess
import sys
import time

import pytest

from groupthink import cli, stopping

WAITING = """\
import signal, sys, time
from groupthink import cli, stopping
from groupthink.cli import explain

def wait(args):
    try:
        print("waiting", flush=True)
        time.sleep(60)
    finally:
        print("closing", flush=True)
        time.sleep(float(sys.argv[1]))

signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
explain.explain = wait
sys.exit(cli.main(["explain"]))
"""
"""A command line whose one verb waits, and takes some seconds to close."""


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


def test_a_damaged_model_is_named(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"not this")
    assert cli.main(["eval", str(tmp_path)]) == 2
    assert f"{tmp_path / 'model.safetensors'} is damaged" in capsys.readouterr().err


def test_a_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("GROUPTHINK_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["train", "absent.toml"])


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
