import math

import pandas as pd
import pytest

from reports.document import text


@pytest.mark.parametrize(
    ("value", "span"), [("plain", "`plain`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\nb", "`a b`")]
)
def test_code_spans_hold_any_text(value, span):
    assert text.code(value) == span


@pytest.mark.parametrize(
    ("items", "shown"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_enumerations(items, shown):
    assert text.listed(items) == shown


@pytest.mark.parametrize(
    ("value", "precision", "shown"),
    [(0.123456, 0.0123, "0.123"), (-0.001, 0.2, "0.00"), (-0.1, 0.2, "-0.10"), (1234.5, 12.0, "1234")],
)
def test_a_precision_decides_the_decimals_and_nothing_is_minus_zero(value, precision, shown):
    assert text.number(value, precision) == shown


@pytest.mark.parametrize("blank", [None, math.nan, pd.NA])
def test_blank_values_are_unknown(blank):
    assert text.number_in({"mse": blank}, "mse") is None
    assert text.interval({"mse": blank}, "mse") == ""
    assert text.interval({"mse": 0.5, "mse_high": blank}, "mse") == "0.500"


@pytest.mark.parametrize("role", [None, math.nan, "family"])
def test_a_row_without_a_role_is_a_family(role):
    assert text.is_family({"role": role})
    assert text.is_family({})
    assert not text.is_family({"role": "curve"})
