import pandas as pd

from reports.document.blocks import Bullets
from reports.sections.diagnosis import findings

COLUMNS = ["dataset", "quantizer", "seed", "problem", "finding"]


def test_cells_with_the_same_problem_share_a_line():
    rows = [
        ("lorenz", "vq", 0, "collapse: reset", "8 % of the codes; reset_threshold=0"),
        ("lorenz", "vq", 2, "collapse: reset", "9 % of the codes"),
        ("lorenz", "fsq", 1, "collapse: reset", "7 % of the codes"),
        ("lorenz", "vq", 2, "overfitting", "the error rose"),
        ("aist", "<b>", 1, "scale", "the latents spread"),
    ]
    (block,) = findings(pd.DataFrame(rows, columns=COLUMNS))
    assert isinstance(block, Bullets)
    assert block.items == (
        "**collapse: reset** on `lorenz`, `vq` seeds 0, 2 and `fsq` seed 1: 8 % of the codes; reset\\_threshold=0 "
        "(figures of `vq` seed 0).",
        "**overfitting** on `lorenz`, `vq` seed 2: the error rose.",
        "**scale** on `aist`, `<b>` seed 1: the latents spread.",
    )


def test_nothing_wrong_has_no_section():
    assert findings(pd.DataFrame(columns=COLUMNS)) == []
