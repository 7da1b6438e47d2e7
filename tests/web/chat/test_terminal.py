"""`groupthink chat`: streamed, with its reasoning dimmed, and harmless whatever the model writes (S11)."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from groupthink.web.chat.terminal import BRIGHT, DIM, Conversation, Screen, talk
from groupthink.web.serve.opened import open_model
from groupthink.web.serve.transcript import Delta

ROOT = Path(__file__).parents[3]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(scope="module")
def opened():
    return open_model("nano")


def shown(screen_of, *deltas, note=""):
    stream = screen_of()
    screen = Screen(stream)
    for delta in deltas:
        screen.show(Delta(*delta))
    screen.end(note)
    return stream.getvalue()


def test_on_a_terminal_reasoning_is_dimmed(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    parts = ("2*", ""), ("3", ""), ("", "x="), ("", "2")
    assert shown(Terminal, *parts, note="9 tokens") == f"{DIM}2*3{BRIGHT}\nx=2\n{DIM}9 tokens{BRIGHT}\n"
    assert shown(Terminal, ("never closed", "")) == f"{DIM}never closed{BRIGHT}\n"
    assert shown(Terminal, ("", "x=2")) == "x=2\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(Terminal, *parts, note="9 tokens") == "<think>2*3</think>\nx=2\n(9 tokens)\n"


def test_in_a_pipe_it_stands_between_its_tags():
    assert shown(io.StringIO, ("2*3", ""), ("", "x=2"), note="9 tokens") == "<think>2*3</think>\nx=2\n"
    assert shown(io.StringIO, ("never closed", "")) == "<think>never closed\n"


@pytest.mark.fault("S11")
def test_nothing_that_the_model_writes_commands_the_terminal():
    text = shown(Terminal, ("\x1b]0;owned\x07\x1b[2J", "\u202eevil\x00\x9b31m"))
    assert "\x1b]" not in text and "\x1b[2J" not in text and "\x9b" not in text and "\u202e" not in text
    assert "\\x1b[2J" in text and "\\u202e" in text


def test_a_stream_that_cannot_say_a_sign_says_which_it_was():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    screen = Screen(stream)
    screen.show(Delta("", "x²=4"))
    screen.end()
    assert stream.buffer.getvalue() == b"x\\xb2=4\n"


def conversed(opened, lines, **more):
    stream, said = io.StringIO(), []
    conversation = Conversation(opened, **{"temperature": 0.0, "seed": 1} | more)
    talk(conversation, iter(f"{line}\n" for line in lines), Screen(stream), said.append)
    return conversation, stream.getvalue(), said


def test_a_conversation_has_a_history_that_can_be_reset(opened):
    lines = ["Solve x^2-5x+6=0", "", "Solve x^2-1=0"]
    conversation, text, said = conversed(opened, lines)
    assert [message["role"] for message in conversation.said] == ["user", "assistant"] * 2
    answers = [message["content"] for message in conversation.said[1::2]]
    assert all("<think>" not in answer for answer in answers)
    for answer in answers:
        assert answer and f"{answer}\n" in text
    assert not said
    conversation, after, said = conversed(opened, [lines[0], "/reset", lines[2], "/quit", lines[0]])
    assert len(conversation.said) == 2 and said == ["a new conversation"]
    _, alone, _ = conversed(opened, lines[2:])
    assert after.endswith(alone)


def test_commands(opened):
    lines = ["/temperature 0.5", "/temperature hot", "/temperature -1", "/temperatur 1", "/help", "//5"]
    conversation, text, said = conversed(opened, lines, max_tokens=4)
    assert conversation.temperature == 0.5 and conversation.said[0]["content"] == "/5"
    assert said[0] == "the temperature is 0.5" and said[1] == said[2] and "did you mean /temperature?" in said[3]
    assert "/reset" in said[4] and text


def test_a_conversation_that_is_too_long_says_so(opened):
    conversation, text, said = conversed(opened, ["x" * 600, "Solve x^2-1=0"])
    assert "too long" in said[0] and len(conversation.said) == 2 and text


def test_a_response_can_be_stopped(opened):
    conversation = Conversation(opened, temperature=0.0)
    counts = [transcript.tokens for _, transcript in conversation.ask("Solve x^2-5x+6=0", lambda: True)]
    assert counts[-1] < 20 and len(conversation.said) == 2
    *_, (_, whole) = conversation.ask("Solve x^2-1=0")
    assert whole.finish == "stop", "the next is answered as ever"


def test_it_works_in_pipes():
    command = [sys.executable, "-m", "groupthink.cli", "chat", "nano", "--temperature", "0"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    asked = "Solve x^2-5x+6=0\n/reset\nSolve x^2-5x+6=0"
    found = subprocess.run(command, input=asked, capture_output=True, text=True, cwd=ROOT, env=env, timeout=100)
    assert found.returncode == 0, found.stderr
    half = len(found.stdout) // 2
    assert found.stdout[:half] == found.stdout[half:] and found.stdout.startswith("x=")
    assert "\x1b" not in found.stdout and "a new conversation" in found.stderr
    refused = subprocess.run([*command[:-1], "-1"], input="", capture_output=True, text=True, cwd=ROOT, env=env)
    assert refused.returncode == 2 and "temperature" in refused.stderr
