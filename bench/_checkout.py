"""Makes sure that `quantizers`, `datasets` and `reports` are this checkout's: Hugging Face has a `datasets` too."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("quantizers", "datasets", "reports")


def claim() -> None:
    """Put the checkout first on the import path where another package would be found instead.

    Raises:
        ImportError: Another package of that name is already imported, so it cannot be helped.
        SystemExit: The same, with one line and status 2, where the command line is being started.
    """
    for name in OURS:
        loaded = sys.modules.get(name)
        spec = importlib.util.find_spec(name) if loaded is None else loaded.__spec__
        if spec is not None and spec.origin and Path(spec.origin).resolve().parent == ROOT / name:
            continue
        if loaded is not None:
            place = spec.origin if spec is not None else "an unknown place"
            message = (
                f"expected the package {name!r} of {ROOT}, but one from {place} is already imported; "
                "import bench first, or run from the checkout: python -m bench"
            )
            if Path(sys.argv[0]).name in ("-m", "bench"):  # what Python says while it looks for the program
                print(f"error: {message}", file=sys.stderr)
                raise SystemExit(2)
            raise ImportError(message)
        sys.path.insert(0, str(ROOT))
