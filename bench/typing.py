"""Type aliases that every room shares."""

from typing import Any

JSON = dict[str, Any]
"""A JSON object."""
