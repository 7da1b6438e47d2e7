"""What `groupthink doctor RUN --bundle` collects helps, and gives nothing away."""

import json
import shutil
import tomllib
import zipfile
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import tomli_w

from groupthink import cli
from groupthink.insight.bundle.redaction import STRUCK, redaction
from groupthink.run.lines import append_line
from tests.stage.conftest import finished, place  # noqa: F401

SECRETS = {
    "in the address": "hunter2-url",
    "under a setting's name": "recipe-secret-1",
    "in an error": "error-secret-2",
    "under an event's name": "event-secret-3",
    "by its form": "hf_abcdefghijklmnop",
    "of the environment": "env-secret-4!",
    "of a log": "log-secret-5",
    "said to the model": "You are Marvin, who knows project Falcon",
    "of the data": "gold-answer-6",
}


def read(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def bundle(run: Path, folder: Path) -> dict[str, str]:
    assert cli.main(["doctor", str(run), "--bundle", str(folder / "it.zip")]) == 0
    return read(folder / "it.zip")


def responses(run: Path) -> list[str]:
    rows = [row for file in sorted(run.glob("rollouts/*.parquet")) for row in parquet.read_table(file).to_pylist()]
    return [row["text"] for row in rows if len(row["text"]) > 16]


@pytest.fixture
def planted(finished, tmp_path, monkeypatch) -> Path:  # noqa: F811
    """A copy of a finished run with secrets in all that people write, and a response quoted by an error."""
    run = shutil.copytree(finished.path, tmp_path / "run")
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    address = f"https://me:{SECRETS['in the address']}@host/v1"
    recipe["judge"] |= {"key": SECRETS["under a setting's name"], "url": address}
    recipe["chat"] |= {"system": SECRETS["said to the model"]}
    (run / "recipe.toml").write_text(tomli_w.dumps(recipe))
    quoted = responses(run)[-1]
    reason = f"process 7 died: api_key={SECRETS['in an error']}; it drew {quoted!r} in {Path.home()}/mine/run"
    append_line(run / "events.jsonl", {"event": "restarted", "step": 1, "time": 1.0, "reason": reason})
    append_line(
        run / "events.jsonl",
        {"event": "x", "auth_token": SECRETS["under an event's name"], "seen": SECRETS["by its form"]},
    )
    append_line(run / "events.jsonl", {"event": "task", "notes": [f"the first one being {SECRETS['of the data']}"]})
    (run / "vllm").mkdir()
    asked = f"GET --password {SECRETS['of a log']} {SECRETS['of the environment']}"
    said = f"loading\n{asked}\n{quoted}\nCUDA error: out of memory\n"
    (run / "vllm/vllm.log").write_text(said)
    monkeypatch.setenv("MY_SETTING", SECRETS["of the environment"])
    return run


def test_nothing_private_is_in_any_file(planted, tmp_path):
    texts = bundle(planted, tmp_path)
    for where, secret in SECRETS.items():
        assert not [name for name, text in texts.items() if secret in text], where
    written = [line for text in responses(planted) for line in text.splitlines() if len(line) >= 16]
    assert written
    assert not [(name, line) for line in written for name, text in texts.items() if line in text]
    assert not [name for name, text in texts.items() if str(Path.home()) + "/" in text]
    assert not [name for name in texts if name.endswith((".parquet", ".safetensors"))]


def test_what_helps_is_in_it(planted, tmp_path, capsys):
    texts = bundle(planted, tmp_path)
    said = capsys.readouterr().out
    assert all(name in said for name in texts) and "Look through it before you send it" in said
    machine = json.loads(texts["machine.json"])
    assert machine["packages"]["torch"] and machine["cores"]["logical"] and machine["memory_gb"] > 0
    assert "max_tokens = 24" in texts["recipe.toml"] and "steps = 4" in texts["recipe.toml"]
    assert [json.loads(line)["step"] for line in texts["metrics.jsonl"].splitlines()] == [0, 1, 2, 3]
    assert "process 7 died" in texts["events.jsonl"] and "~/mine/run" in texts["events.jsonl"]
    assert "CUDA error: out of memory" in texts["logs/vllm.log"]
    assert "rollouts/step-000003.parquet" in texts["files.txt"] and "model/model.safetensors" in texts["files.txt"]
    assert texts["doctor.txt"].strip()


def test_it_is_named_after_the_run_and_replaces_nothing_else(finished, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # an older bundle is replaced
        assert cli.main(["doctor", str(finished.path), "--bundle", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["bundle"] == "finished.groupthink.zip" and told["files"].keys() == read(Path(told["bundle"])).keys()
    Path("mine.txt").write_text("mine")
    assert cli.main(["doctor", str(finished.path), "--bundle", "mine.txt"]) == 2
    assert "is no bundle" in capsys.readouterr().err and Path("mine.txt").read_text() == "mine"
    assert cli.main(["doctor", "nowhere", "--bundle"]) == 2


def test_runs_in_any_state_are_bundled(finished, tmp_path):  # noqa: F811
    empty = tmp_path / "empty"
    empty.mkdir()
    assert set(bundle(empty, tmp_path)) == {"machine.json", "files.txt"}

    torn = shutil.copytree(finished.path, tmp_path / "torn")
    for name in ("events.jsonl", "metrics.jsonl"):
        (torn / name).write_bytes((torn / name).read_bytes()[:-40] + b"\xff")
    (torn / "recipe.toml").write_text('stage = "gr')
    for file in torn.glob("rollouts/*"):
        file.write_bytes(file.read_bytes()[:50])
    texts = bundle(torn, tmp_path)
    assert "cannot be read" in texts["recipe.toml"] and '"step": 2' in texts["metrics.jsonl"]
    assert texts["events.jsonl"].endswith("(no JSON)\n") and "Error" in texts["doctor.txt"]

    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(finished.path / "recipe.toml", begun)
    (begun / ".lock").write_text("process 1 on elsewhere")
    assert "has done 0 steps" in bundle(begun, tmp_path)["doctor.txt"]


def test_stages_have_folders_of_their_own(finished, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    shutil.copytree(finished.path, run / "stages/01-zero")
    (run / "pipeline.toml").write_text('[[stages]]\nname = "zero"\napi_key = "pipeline-secret"\n')
    texts = bundle(run, tmp_path)
    assert "stages/01-zero/metrics.jsonl" in texts and "zero" in texts["pipeline.toml"]
    assert not [name for name, text in texts.items() if "pipeline-secret" in text]


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("HF_TOKEN=hf_x and more", f"HF_TOKEN={STRUCK} and more"),
        ('{\\"password\\": \\"a b\\"}', f'{{\\"password\\": {STRUCK}}}'),
        ("Authorization: Bearer abc.def", f"Authorization: {STRUCK}"),
        ("argv: ['--api-key', 'abc', '--port', '1']", f"argv: ['--api-key', {STRUCK}, '--port', '1']"),
        ("--wandb-key abc --port 1", f"--wandb-key {STRUCK} --port 1"),
        ("redis://:p/w@host:1/0", f"redis://{STRUCK}host:1/0"),
        ("KeyError: 'steps'", "KeyError: 'steps'"),
        ("rollout.max_tokens=200: 48,000 tokens at most", "rollout.max_tokens=200: 48,000 tokens at most"),
        ("/home/ann/run and C:\\Users\\ann\\run", "~/run and ~\\run"),
        ("/data/home/run", "/data/home/run"),
    ],
)
def test_what_is_struck_out_of_a_text(text, struck):
    assert redaction({}, [], [], []).text(text) == struck
