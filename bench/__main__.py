"""`python -m bench`."""

import sys

try:
    from bench.cli import main
except ImportError as error:
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    main()
