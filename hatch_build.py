"""Refuses to build a wheel: `datasets` and `reports` are names that other distributions install too."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableOnly(BuildHookInterface):  # type: ignore[type-arg]
    """Lets `pip install -e .` through and nothing else."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stop a standard build with one line."""
        if version != "editable":
            raise SystemExit(
                "quantizer-bench is installed from its checkout (pip install -e .): a wheel would overwrite "
                "the package `datasets` of other distributions."
            )
