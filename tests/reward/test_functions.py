import asyncio

import numpy as np
import pytest

from groupthink.reward.functions import as_reward, load_function


def values(function, group):
    return asyncio.run(as_reward(function, "my.py:f")(group))


def test_a_plain_function_is_asked_for_each_response(group):
    assert values(lambda problem, response: len(response), group) == [40.0, 200.0, 40.0]


def test_an_async_function_is_awaited(group):
    async def reward(problem, response):
        await asyncio.sleep(0)
        return response.text.count("x")

    assert values(reward, group) == [4.0, 2.0, 2.0]


def test_async_calls_run_together(group):
    waiting = []

    async def reward(problem, response):
        waiting.append(response)
        while len(waiting) < 3:
            await asyncio.sleep(0)
        return 1.0

    assert values(reward, group) == [1.0, 1.0, 1.0]


def test_a_function_of_the_group_sees_it_whole(group):
    assert values(lambda group: [None, *map(len, group.responses[1:])], group) == [None, 200.0, 40.0]
    assert values(lambda group: np.arange(3), group) == [0.0, 1.0, 2.0]


@pytest.mark.fault("B1")
def test_a_list_of_the_wrong_length_names_the_function_and_both_lengths(group):
    with pytest.raises(ValueError, match=r"my.py:f gave 2 values for the 3 responses"):
        values(lambda group: [1.0, 2.0], group)
    with pytest.raises(ValueError, match=r"my.py:f gave float for a group"):
        values(lambda group: 1.0, group)


@pytest.mark.fault("B2")
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "1", 1j, [1.0]])
def test_what_is_no_finite_number_names_reward_problem_and_response(group, bad):
    def reward(problem, response):
        return bad if len(response) == 200 else 0.0

    with pytest.raises(ValueError, match=r"my.py:f gave .* for response 1 to problem quadratics/0/0"):
        values(reward, group)


@pytest.mark.parametrize("good", [True, 1, np.float32(1), np.bool_(True), np.int64(1)])
def test_numbers_of_any_kind_become_floats(group, good):
    found = values(lambda problem, response: good, group)
    assert found == [1.0, 1.0, 1.0] and all(type(value) is float for value in found)


def test_what_a_function_raises_says_where(group):
    def of_a_response(problem, response):
        raise KeyError("mine")

    async def of_a_group(group):
        raise KeyError("mine")

    for function, place in ((of_a_response, f"response 0 to {group.problem.id}"), (of_a_group, group.problem.id)):
        with pytest.raises(KeyError) as raised:
            values(function, group)
        (note,) = raised.value.__notes__
        assert "my.py:f" in note and place in note


def test_functions_are_loaded_from_modules_and_files(tmp_path):
    (tmp_path / "json.py").write_text("def loads(problem, response):\n    return 3.0\n")
    assert load_function(f"{tmp_path / 'json.py'}:loads")(None, None) == 3.0
    assert load_function("json:loads")("[1]") == [1]  # the library's, not the file of that name


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("no_such_module_here:f", "write 'file.py:function'"),
        ("json.nothing:f", "write 'file.py:function'"),
        ("json:nothing", "no function or class 'nothing'"),
        ("nowhere.py:f", "there is no file"),
    ],
)
def test_a_name_that_finds_nothing_is_an_error(name, cure):
    with pytest.raises(ValueError, match=cure):
        load_function(name)


def test_a_missing_import_inside_the_module_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "rewards_of_mine.py").write_text("import no_such_module_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        load_function("rewards_of_mine:f")
