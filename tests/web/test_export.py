"""One file of a run: what is in it, what it allows, and that nothing in it is markup but its own."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from groupthink.web import selection as selecting
from groupthink.web.export import export
from groupthink.web.notes import add_note
from groupthink.web.selection import spread
from tests.web.made import begin_run, made_run, row, write_step

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> & \u2028 \x00 ]]>"


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.inside = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts.append((*self.tags[-1], data))


def read(file):
    page = file.read_text(encoding="utf-8")
    elements = Elements()
    elements.feed(page)
    (data,) = [text for tag, attrs, text in elements.texts if attrs.get("id") == "groupthink-data"]
    return page, elements, json.loads(data)


def test_a_run_is_in_its_file(tmp_path):
    run = made_run(tmp_path / "a & <b>", steps=5)
    note = add_note(run, {"step": 1, "group": 2, "response": 3, "label": "aha"})
    chosen = export(run, tmp_path / "out/run.html")
    page, _, data = read(tmp_path / "out/run.html")
    name = "a+%26+%3Cb%3E"
    assert next(iter(data)) == f"/api/run?run={name}" and data[f"/api/run?run={name}"]["done"] == 5
    assert data["/api/runs"]["folder"] == "" and [one["name"] for one in data["/api/runs"]["runs"]] == ["a & <b>"]
    assert data[f"/api/notes?run={name}"]["notes"] == [note]
    assert [data[f"/api/step?run={name}&step={step}"]["step"] for step in range(5)] == list(range(5))
    assert f"/api/group?group=2&run={name}&step=1" in data  # it has a note
    assert f"/api/response?group=2&response=3&run={name}&step=1" in data
    assert f"/api/problems?run={name}&sort=visits" in data
    assert {f"/api/problems?kind={kind}&run={name}&sort=visits" for kind in ("held-out", "trained")} <= data.keys()
    assert "<title>a &amp; &lt;b&gt; · groupthink</title>" in page and "5 of 5 steps" in page
    assert chosen.counts["step"] == 5 and str(tmp_path) not in page


def test_it_allows_its_own_script_and_style_and_nothing_else(tmp_path):
    export(made_run(tmp_path / "r", steps=2), tmp_path / "run.html")
    page, elements, _ = read(tmp_path / "run.html")
    policy = next(attrs["content"] for tag, attrs in elements.tags if attrs.get("http-equiv"))
    assert [attrs["content"] for _, attrs in elements.tags if attrs.get("name") == "referrer"] == ["no-referrer"]
    assert page.index("http-equiv") < page.index("<title>") < page.index("<style>") < page.index("<script")

    def checksum(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (style,) = [text for tag, _, text in elements.texts if tag == "style"]
    (script,) = [text for tag, attrs, text in elements.texts if tag == "script" and not attrs]
    assert policy == (
        f"default-src 'none'; script-src {checksum(script)}; style-src {checksum(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r'(src|href)="(?!data:)', page.replace(script, ""))
    assert not [attrs for _, attrs in elements.tags if "style" in attrs or any(name.startswith("on") for name in attrs)]


def test_what_a_model_wrote_is_no_markup(tmp_path):
    run = begin_run(tmp_path / "r", steps=1)
    write_step(run, 0, [row(0, HOSTILE, problem="<b>"), row(1, "b", reward=0.0, accuracy=0.0, problem="<b>")])
    export(run, tmp_path / "run.html")
    page, elements, data = read(tmp_path / "run.html")
    assert [tag for tag, _ in elements.tags].count("script") == 2 and "alert(1)</script>" not in page
    texts = [one["text"] for one in data["/api/group?group=0&run=r&step=0"]["responses"]]
    assert HOSTILE in texts


def test_where_there_is_no_room_the_first_the_last_and_the_middle_come_first(tmp_path):
    run = made_run(tmp_path / "r", steps=21)
    chosen = export(run, tmp_path / "run.html", most=80_000)
    page, _, data = read(tmp_path / "run.html")
    steps = {int(address.rpartition("step=")[2]) for address in data if address.startswith("/api/step?")}
    assert {0, 10, 20} <= steps and 3 <= len(steps) < 21 and chosen.size < 80_000
    assert f"{len(steps)} of 21 steps, {chosen.counts['group']} groups in full" in page


def test_a_recipe_of_several_stages_is_in_its_file_with_all_of_them(tmp_path):
    from groupthink.pipeline import dump_pipeline
    from groupthink.pipeline.reading import load_pipeline

    whole = tmp_path / "whole"
    made_run(whole / "stages/01-zero", steps=3)
    (whole / "pipeline.toml").write_text(dump_pipeline(load_pipeline("r1")), encoding="utf-8")
    export(whole, tmp_path / "run.html")
    _, _, data = read(tmp_path / "run.html")
    assert next(iter(data)) == "/api/run?run=whole" and "/api/run?run=whole%2Fstages%2F01-zero" in data
    assert "/api/step?run=whole%2Fstages%2F01-zero&step=0" in data and "/api/report?run=whole" in data


def test_where_there_is_no_run_no_file_is_written(tmp_path):
    with pytest.raises(LookupError):
        export(tmp_path, tmp_path / "run.html")
    with pytest.raises(LookupError):
        export(tmp_path / "absent", tmp_path / "run.html")
    assert not list(tmp_path.iterdir())


def test_the_ends_come_first_then_the_middles():
    assert spread(range(9)) == [0, 8, 4, 2, 6, 1, 3, 5, 7]
    for count in range(40):
        assert sorted(spread(range(count))) == list(range(count))


def test_an_answer_that_is_not_there_is_left_out():
    chosen = selecting.Selection("r")

    def absent():
        raise LookupError("gone")

    assert chosen.add("step", {"run": "r", "step": 1}, absent) is None and chosen.answers == {}
    assert chosen.add("step", {"step": 1, "run": "a/b"}, lambda: {"a": 1}) == {"a": 1}
    assert chosen.answers == {"/api/step?run=a%2Fb&step=1": b'{"a":1}'}
    assert chosen.add("step", {"run": "a", "step": 2}, lambda: {"long": "x" * 50}, most=20) is None
