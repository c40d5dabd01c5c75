"""`run_length`: how long a code lasts."""

from bench.metrics import Trained, register


@register("run_length", direction="none", summary="mean number of frames that a code lasts on the test split; [1, T]")
def run_length(trained: Trained) -> float:
    """Frames of the test sequences over their runs of one code.

    The codes 3 3 5 5 5 3 are three runs in six frames: 2.
    """
    tokens = trained.tokens["test"]
    runs = len(tokens) + int((tokens[:, 1:] != tokens[:, :-1]).sum())
    return tokens.numel() / runs
