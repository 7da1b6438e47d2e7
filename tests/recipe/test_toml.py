import time
import tomllib

import pytest

from groupthink.recipe import load_recipe
from groupthink.recipe.toml import NESTED, PARTS, read_toml

DEEP = ".".join("abcd"[i % 4] for i in range(PARTS + 1))


@pytest.mark.parametrize(
    "text",
    [
        f"{DEEP} = 1",
        f"[{DEEP}]",
        f"[[ {DEEP} ]]",
        f"x = {{ {DEEP} = 1 }}",
        f'"a".{DEEP} = 1',
        f"{DEEP.replace('.', ' .  ')} = 1",
        ".".join(["a", '"b."', "'c\"'"] * 3) + " = 1",
        f's = """a"""" # two quotes more\n{DEEP} = 1',
        f"s = ['''a''''', {{ {DEEP} = 1 }}]",
    ],
)
def test_a_key_of_very_many_parts_is_refused_before_it_takes_long(text):
    with pytest.raises(ValueError, match=f"a key of more than {PARTS} parts"):
        read_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        f's = "{DEEP}"',
        f"s = '{DEEP}'",
        f's = """\n{DEEP}\n""\\" " {DEEP} """',
        f"s = '''\n{DEEP} ''\n {DEEP}'''",
        f'# {DEEP}\ns = ["{DEEP}", 1] # "{DEEP}',
        f's = "\\"{DEEP}" # \' " {DEEP}',
        f"{DEEP.removeprefix('a.')} = 1",
        'x = ["' + "[" * 100 + "\", '{{{{' ,\n" + "[ # [[[[[\n]," * 100 + "]",
        f'[{DEEP.removeprefix("a.")}]\nb.c = """ """',
        "a.b = 1.5\nc = 1979-05-27T07:32:00.999\n",
    ],
)
def test_what_looks_like_one_within_a_text_is_read(text):
    assert read_toml(text) == tomllib.loads(text)


def test_the_line_is_told(tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(f"steps = 4\n\n{DEEP} = 1\n")
    with pytest.raises(ValueError, match=r"odd.toml is not TOML: a key of more than 8 parts \(at line 3\)"):
        load_recipe(file)


@pytest.mark.parametrize(("begun", "ended"), [("[", "]"), ("{a=", "}"), ("[\n", "]"), ("[{a.b = [", "]}]")])
def test_lists_in_lists_in_lists_are_refused(begun, ended):
    times = NESTED // sum(begun.count(bracket) for bracket in "[{")

    def nested(times):
        return f"x = {begun * times}{'1' if begun[-1] == '=' else ''}{ended * times}"

    assert read_toml(nested(times)) == tomllib.loads(nested(times))
    for more in (times + 1, 20_000):
        with pytest.raises(ValueError, match=f"more than {NESTED} brackets in each other"):
            read_toml(nested(more))


@pytest.mark.parametrize(
    "text",
    [
        "a." * 100_000 + "a = 1",
        "a" * 200_000,
        (DEEP.removeprefix("a.") + " ") * 3000,
        '"""\\' * 50_000,
        "'''" * 60_001,
        "''''''a'" * 30_000,
        '"\\' * 100_000,
        '"' * 200_001,
        "#'\"\n" * 50_000 + "=",
        '"a" .' * 40_000,
    ],
    ids=lambda text: text[:8],
)
def test_no_text_of_200_kilobytes_takes_long(text):
    began = time.process_time()
    with pytest.raises(ValueError):
        read_toml(text)
    assert time.process_time() - began < 1.5
