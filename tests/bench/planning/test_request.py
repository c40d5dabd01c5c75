import pytest

from bench.errors import UsageError
from bench.planning.request import datasets_of, parse_seeds, settings_of


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("0,3,4", [0, 3, 4]), ("3,", [3]), (" 1, 2 ", [1, 2])])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "x", "1,x", "0,-1", "2,2", ",", "1.5"])
def test_seeds_that_are_none(text):
    with pytest.raises(UsageError):
        parse_seeds(text)


def test_many_files_are_no_path_that_is_too_long():
    names = [f"{'x' * 60}{number}" for number in range(200)]
    assert [*datasets_of(",".join(f"npz:{name}.npz" for name in names))] == [f"npz:{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "path"), [("npz:x,y.npz", "x,y.npz"), ("npz:x,y,z.npz,lorenz", "x,y,z.npz"), ("cmu,npz:x, y", "x,y")]
)
def test_a_path_with_commas_that_is_not_there_is_looked_for_by_its_whole_name(text, path):
    with pytest.raises(UsageError, match=f"unknown dataset 'y.*a path that has commas .* no file '{path}'$"):
        datasets_of(text)


def test_an_unknown_name_after_one_that_is_no_path_is_no_path():
    with pytest.raises(UsageError, match="unknown dataset 'lorens'") as raised:
        datasets_of("npz:x,cmu,lorens")
    assert "comma" not in str(raised.value)


def test_a_home_of_nobody_is_a_file_that_is_not_there():
    assert datasets_of("npz:~nobody-of-that-name/w.npz")["npz:w"]["path"].endswith("~nobody-of-that-name/w.npz")


def test_stray_blanks_in_settings_do_not_count():
    assert settings_of((" vq.decay = 0.9 ", "fsq.levels=8, 5, "), ["vq", "fsq"], []) == {
        "vq": {"decay": 0.9},
        "fsq": {"levels": (8, 5)},
    }
