"""What the tests of triggers in this process share."""

import pytest

from .watched import Watched


@pytest.fixture
def watch(halo, tmp_path):
    """Makes a trigger of the given name and inputs, with its state in a folder of the test's own."""
    return lambda name, **params: Watched(halo, tmp_path, name, **params)
