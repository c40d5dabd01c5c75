import pytest

from bench.errors import UsageError
from bench.request import parse_seeds


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("0,3,4", [0, 3, 4]), ("3,", [3]), (" 1, 2 ", [1, 2])])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "x", "1,x", "0,-1", "2,2", ",", "1.5"])
def test_seeds_that_are_none(text):
    with pytest.raises(UsageError):
        parse_seeds(text)
