"""A server in a process of its own: where it listens, what it answers, and that it ends when it is told to."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from groupthink.run.lines import append_line
from groupthink.web import listen as listening
from groupthink.web.listen import _with_port, is_loopback, listen
from groupthink.web.safety import HEADERS
from groupthink.web.verbs import _folder_and_run, beside
from tests.web.made import begin_run, made_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made_run(folder / "r", steps=2)
    return folder


def interruptible():
    """Whatever started these tests may have set SIGINT aside, as shells do for what runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begin(folder, *words):
    """`groupthink view` of that folder, and its port and address, when it says so."""
    command = [sys.executable, "-m", "groupthink.cli", "view", str(folder), "--no-browser", "--port", "0", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://[^/]+:(\d+)/\S*", said)
    assert found, (said, process.communicate(timeout=10))
    return process, int(found[1]), found[0]


def test_what_is_written_goes_out_at_once():
    """asyncio goes by the protocol of a socket, and those that are accepted have their listener's."""
    with listen("127.0.0.1", 0).socket as taken:
        assert taken.proto == socket.IPPROTO_TCP


@pytest.fixture(scope="module")
def server(folder):
    process, port, address = begin(folder)
    yield port, address
    process.kill()
    process.communicate()


def get(port, target, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", target, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.fault("S6")
def test_it_answers_under_its_address_and_no_other(server, folder):
    port, address = server
    assert address == f"http://127.0.0.1:{port}/"
    answer, body = get(port, "/api/runs")
    assert answer.status == 200 and [one["name"] for one in json.loads(body)["runs"]] == ["r"]
    assert all(answer.headers[name] == value for name, value in HEADERS.items()) and "server" not in answer.headers
    assert get(port, "/")[0].status == 200
    for headers in ({"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"X-Forwarded-Host": "x", "Origin": "http://x"}):
        assert get(port, "/api/runs", headers)[0].status == 403


@pytest.mark.fault("S6", "S8")
@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET /%%2e%%2e/secret HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET /a\x01b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://evil\r\n\r\n",
    ],
)
def test_what_is_hardly_http_is_refused_with_the_headers(server, sent):
    port, _ = server
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent % port if b"%d" in sent else sent)
        connection.settimeout(10)
        said = b""
        while part := connection.recv(65536):
            said += part
            if b"\r\n\r\n" in said:
                break
    status = int(said.split()[1])
    assert status in (400, 403, 405, 431), said
    assert all(f"{name}: {value}".encode() in said for name, value in HEADERS.items())


def test_events_are_told_and_told_again(server, folder):
    port, _ = server
    run = begin_run(folder / "at-work")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/api/live?run=at-work")
    answer = connection.getresponse()

    def until(wanted):
        found = []
        while not any(line.startswith(wanted) for line in found):
            found.append(answer.readline().decode().rstrip("\n"))
        return found

    until("event: status")
    append_line(run / "metrics.jsonl", {"step": 0})
    until('data: {"run":"at-work","step":0')
    place = answer.readline().decode().removeprefix("id: ").strip()
    append_line(run / "metrics.jsonl", {"step": 1})
    until('data: {"run":"at-work","step":1')
    connection.close()
    _, body = get(port, f"/api/poll?run=at-work&after={place}")
    assert [event["data"] for event in json.loads(body)["events"]] == [{"run": "at-work", "step": 1}]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_two_seconds_whoever_listens(folder, number):
    process, port, _ = begin(folder)
    listeners = []
    for target in ("/api/live", "/api/live?run=r", "/api/live?run=r"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", target)
        listeners.append((connection, connection.getresponse()))
    began = time.monotonic()
    process.send_signal(number)
    err = process.communicate(timeout=20)[1]
    assert time.monotonic() - began < 4  # 2 where nothing else is at work on the machine
    assert process.returncode == 0 and err == ""
    for connection, answer in listeners:  # each stream was brought to its end
        assert answer.read().startswith(b"retry: 1000")
        connection.close()


@pytest.mark.fault("S7")
def test_beyond_this_machine_there_is_a_token(folder):
    process, port, address = begin(folder, "--host", "0.0.0.0")
    try:
        token = address.partition("?token=")[2]
        assert len(token) >= 32 and get(port, "/api/runs")[0].status == 401
        assert get(port, "/api/runs", {"Authorization": f"Bearer {token}"})[0].status == 200
        answer, _ = get(port, f"/?token={token}")
        assert answer.status == 303 and answer.headers["location"] == "/"
    finally:
        process.kill()
        process.communicate()


def test_the_next_port_is_taken_where_the_usual_one_is_not_free(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(listening, "PORT", other.getsockname()[1])
        found = listen()
        assert found.socket.getsockname()[1] > listening.PORT
        assert found.hosts == {
            f"{name}:{found.socket.getsockname()[1]}" for name in ("127.0.0.1", "localhost", "[::1]")
        }
        found.socket.close()
        with pytest.raises(OSError, match="name another by --port"):
            listen(port=listening.PORT)
    with pytest.raises(OSError, match="cannot listen"):
        listen(host="192.0.2.1", port=0)


def test_tokens_that_will_not_do():
    for host, token in (("0.0.0.0", "short"), ("127.0.0.1", ""), ("127.0.0.1", "é"), ("127.0.0.1", " a ")):
        with pytest.raises(ValueError, match="token"):
            listen(host, 0, token)
    found = listen("127.0.0.1", 0, "a b&c")
    assert found.address.endswith("/?token=a+b%26c")
    found.socket.close()


def test_names_are_written_as_browsers_write_them():
    assert _with_port("FE80::0:ABCD%eth0", 8777) == "[fe80::abcd]:8777"
    assert _with_port("0:0:0:0:0:0:0:1", 8777) == "[::1]:8777" and _with_port("LocalHost", 80) == "localhost"


def test_what_only_this_machine_reaches():
    here = ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"]
    assert all(map(is_loopback, here)) and not any(map(is_loopback, ["0.0.0.0", "::", "", "10.0.0.1", "example.org"]))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    command = [sys.executable, "-m", "groupthink.cli", "view", str(tmp_path / "absent"), "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "there is no folder" in done.stderr


def test_a_run_is_shown_in_its_folder(folder):
    process, _, address = begin(folder / "r")
    process.kill()
    process.communicate()
    assert address.endswith("/#/run?run=r")


def test_beside_a_run_its_pages_are_shown_until_it_ends(tmp_path):
    run, told = made_run(tmp_path / "r", steps=1), []
    with beside(run, told.append, wanted=True):
        port = int(re.search(r":(\d+)/#/run\?run=r$", told[0])[1])
        assert json.loads(get(port, "/api/run?run=r")[1])["name"] == "r"
    with pytest.raises(OSError):
        get(port, "/api/runs")
    with beside(tmp_path / "absent", told.append, wanted=False):
        assert len(told) == 1


def test_a_run_is_shown_with_those_beside_it_only_in_the_usual_folder(tmp_path):
    usual, other = made_run(tmp_path / "runs/r", steps=1), made_run(tmp_path / "other/r", steps=1)
    assert _folder_and_run(usual) == (tmp_path / "runs", "r")
    assert _folder_and_run(other) == (other, "r")
    assert _folder_and_run(tmp_path / "other") == (tmp_path / "other", None)
