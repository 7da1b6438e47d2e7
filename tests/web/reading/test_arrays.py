"""Against pyarrow's own conversions."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from groupthink.web.reading.arrays import flags_of, numbers_of, places
from tests.web.made import made_run

NAN = float("nan")


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.int32()])
@pytest.mark.parametrize("values", [[], [3], [1, 2, 3, 4], [1, None, 3], [None, None]])
def test_numbers(kind, values):
    whole = pa.array([9, None, *values], kind)
    for array in (pa.array(values, kind), whole.slice(2), pa.array(values * 9, kind).slice(0, len(values))):
        expected = array.to_numpy(zero_copy_only=False)
        found = numbers_of(array)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype.kind == "f" if array.null_count else found.dtype == kind.to_pandas_dtype()


@pytest.mark.parametrize("values", [[], [True], [True, False] * 9, [False, None, True], [None]])
def test_flags(values):
    for array in (pa.array(values, pa.bool_()), pa.array([True, None, True, *values], pa.bool_()).slice(3)):
        assert flags_of(array).tolist() == [bool(value) for value in values]


def test_places():
    table = pa.table({"a": [5, 6, 7, 8]})
    assert table.take(places(np.array([3, 1]))).column("a").to_pylist() == [8, 6]


def test_a_search_by_rewards_imports_no_pandas(tmp_path):
    run = made_run(tmp_path / "r", steps=2)
    said = (
        "import sys; from pathlib import Path; from groupthink.web.search.walk import search; "
        "from groupthink.web.search.query import read_query; "
        f"found = list(search(Path({str(run)!r}), read_query(dict(preset='rewarded-wrong')))); "
        "print(len(found) > 1, 'pandas' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ran.stdout == "True False\n"
