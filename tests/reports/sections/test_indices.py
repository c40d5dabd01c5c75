import pandas as pd

from reports.document.blocks import Bullets, Prose
from reports.sections.indices import indices

COLUMNS = ["dataset", "quantizer", "index", "size", "used", "usage_ppl", "too_few_frames", "n"]


def test_one_sentence_for_every_row_of_several_indices():
    uses = pd.DataFrame(
        [
            ("lorenz", "rvq", 1, 16, 16.0, 14.0, False, 3),
            ("lorenz", "rvq", 2, 16, 15.0, 12.5, False, 3),
            ("lorenz", "rvq", 0, None, 1_234.0, 130.0, False, 3),
            ("aist", "pq", 1, 4, 4.0, 3.5, False, 1),
            ("aist", "pq", 2, 4, 4.0, 3.0, False, 1),
            ("aist", "pq", 0, None, 9.0, 7.5, True, 1),
        ],
        columns=COLUMNS,
    )
    meaning, lines = indices(uses)
    assert isinstance(meaning, Prose)
    assert isinstance(lines, Bullets)
    assert lines.items == (
        "`rvq` on `lorenz`: 14.0 of 16, 12.5 of 16; 1,234 combinations, perplexity 130.",
        "`pq` on `aist`: 3.50 of 4, 3.00 of 4; 9 combinations, perplexity ≥ 7.50.",
    )


def test_nothing_is_said_without_several_indices():
    assert indices(pd.DataFrame(columns=COLUMNS)) == []
