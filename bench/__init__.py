"""quantizer-bench: discrete tokenizers on one protocol and one capacity.

    import bench
    run = bench.run(quantizers=["vq", "som-vq"], datasets=["lorenz"], protocol="tiny", seeds=2)
    run.summary

`bench.run`, `bench.open`, `bench.tune`, `bench.suggest_k`, `bench.check` and `bench.export` do what the commands of the
same names do; a wrong name or value raises `bench.UsageError`. Plug-ins register with `quantizers.register`,
`datasets.register` and `bench.metrics.register`.
"""

from typing import TYPE_CHECKING, Any

from bench._checkout import claim
from bench.errors import LostError, UsageError

if TYPE_CHECKING:
    from bench.api import Run, check, export, run, suggest_k, tune
    from bench.api import open_run as open

claim()

__all__ = ["LostError", "Run", "UsageError", "check", "export", "open", "run", "suggest_k", "tune"]


def __getattr__(name: str) -> Any:
    """Import the Python door when it is used: it loads PyTorch, for which a command's `--help` need not wait."""
    if name not in __all__:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    from bench import api

    return getattr(api, {"open": "open_run"}.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
