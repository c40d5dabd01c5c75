import math

import pandas as pd

from reports.sections.rates import rates

COLUMNS = ["dataset", "quantizer", "sizes", "n", "difference", "low", "high"]


def test_every_family_has_a_sentence():
    rows = [("lorenz", "som-vq", 3, 5, 0.124, 0.031, 0.217), ("lorenz", "fsq:2d", 4, 1, -0.05, math.nan, math.nan)]
    _, bullets = rates(pd.DataFrame(rows, columns=COLUMNS))
    assert bullets.items == (
        "`som-vq` on `lorenz`: +12 % (+3 to +22 %; 3 sizes, 5 seeds).",
        "`fsq:2d` on `lorenz`: -5 % (4 sizes, 1 seed).",
    )


def test_no_curve_has_no_section():
    assert rates(pd.DataFrame(columns=COLUMNS)) == []
