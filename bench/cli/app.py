"""The application to which every verb adds itself, and its exit codes."""

import typer

EXIT_DONE, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INTERRUPTED = 0, 2, 3, 130


app = typer.Typer(
    name="bench",
    help="Benchmark of discrete tokenizers: quantizers crossed with datasets, one protocol, one capacity.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
