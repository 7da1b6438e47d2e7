"""Which tests need bubblewrap, and what of a test may be left on the machine."""

import shutil

import pytest

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="there is no bwrap: apt-get install bubblewrap"
)
