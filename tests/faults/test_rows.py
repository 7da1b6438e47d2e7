"""Every row of docs/promises.md has its tests, and every mark its row."""

from tests.faults.rows import marked, named, rows, there


def test_every_row_is_held_by_a_test_and_every_mark_names_a_row():
    assert len(rows()) >= 41 and not [row for row, tests in rows().items() if not tests]
    assert marked() == rows()


def test_the_tests_that_promises_name_are_there():
    assert not named() - there()
