"""A name that is no folder here: what is said while the hub is asked, and that it ends soon."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from groupthink.model import hub
from groupthink.model.place import require_there


class Hub(BaseHTTPRequestHandler):
    """It has one model, and says nothing where it is asked for another that is slow."""

    over = threading.Event()

    def do_HEAD(self):
        if "slow" in self.path:
            self.over.wait(30)
        here = self.path == "/somebody/small/resolve/main/config.json"
        self.send_response(200 if here else 404)
        if not here:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Where a hub listens that is asked in place of the real one; nothing of it is kept here."""
    Hub.over.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    yield address
    Hub.over.set()
    server.shutdown()
    server.server_close()


def a_model(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({}))


def test_what_the_hub_has_is_there(asked):
    told = []
    assert require_there("somebody/small", told.append) == "somebody/small"
    assert told == [f"somebody/small is no folder here: asking {asked} for it, 10 s at most; Ctrl-C ends it"]


def test_what_it_does_not_have_is_refused_with_the_models_that_are_here(asked, tmp_path):
    for name in ("runs/zero/model", "runs/chains/model", "runs/cold/model", "mine", "runs/nothing/rollouts"):
        (a_model if "nothing" not in name else lambda folder: folder.mkdir(parents=True))(tmp_path / name)
    with pytest.raises(ValueError, match="there is no model 'zreo': it is no folder here") as refused:
        require_there("zreo", lambda _: None)
    assert f"{asked} did not give it" in str(refused.value)
    assert "a model's folder (here are runs/zero, " in str(refused.value) and "nothing" not in str(refused.value)


def test_a_hub_that_says_nothing_is_not_waited_for(asked, monkeypatch):
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    with pytest.raises(ValueError, match=f"'slow': it is no folder here, and {asked} did not give it"):
        require_there("slow", lambda _: None)


def test_a_model_that_is_kept_here_is_taken_where_the_hub_says_nothing(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    kept = tmp_path / "cache" / "models--slow"
    a_model(kept / "snapshots" / "1")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("1")
    told = []
    assert require_there("slow", told.append) == "slow"
    assert f"{asked} gave no answer" in told[-1] and "what is kept of slow here is taken" in told[-1]


def test_looking_up_a_host_is_bounded_too():
    over = threading.Event()
    assert isinstance(hub._failure(lambda: over.wait(30), 0.1), TimeoutError)
    over.set()


def test_what_no_hub_can_have_is_not_asked_for(asked):
    told = []
    with pytest.raises(ValueError, match=f"{asked} can have none of that name"):
        require_there("runs/of/mine", told.append)
    assert not told
