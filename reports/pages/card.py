"""The model card of one exported tokenizer."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import markdown
from reports.document.text import code, escape, listed, number


def card(
    *,
    tokenizer: Mapping[str, Any],
    cell: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    record: Mapping[str, Any],
    dataset: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> str:
    """Model card of a tokenizer, as markdown.

    Args:
        tokenizer: Description of the tokenizer: `features` and `code_sizes`.
        cell: Row, quantizer, parameters, dataset, its parameters, seed, protocol and capacity.
        metrics: Catalogue of metrics: `name` and `summary` of each.
        record: Metrics, training time, device and key of the cell.
        dataset: Source, licence, meaning and unit of a frame, whether it is real, and facts.
        environment: Versions and machine of the training.
    """
    features, sizes = tokenizer["features"], tokenizer["code_sizes"]
    codes, several = " x ".join(map(str, sizes)), len(sizes) > 1
    ranges = ", ".join(f"0 to {size - 1}" for size in sizes)
    shapes = f"(T, {len(sizes)}) or (n, T, {len(sizes)})" if several else "(T,) or (n, T)"
    capacity = cell["capacity"]
    parts = [
        f"# {escape(cell['row'])} on {escape(cell['dataset'])}: a tokenizer of {codes} codes",
        f"Turns frames of {features} numbers into one of {codes} codes each "
        f"({capacity['bits_per_token']:.3g} bits) and back. Trained by quantizer-bench on protocol "
        f"{code(cell['protocol']['name'])} ({escape(cell['protocol']['purpose'])}), seed {cell['seed']}.",
        ""
        if dataset["real"]
        else f"**{code(cell['dataset'])} is generated stand-in data, not what it stands in for.**",
        "## Use",
        f"""```python
import quantizers  # of quantizer-bench: pip install -e its checkout

tokenizer = quantizers.load_tokenizer("this folder")
codes = tokenizer.encode(frames)  # (T, {features}) or (n, T, {features}) in data units -> {shapes}
again = tokenizer.decode(codes)  # and back, in data units
```""",
        f"A frame is {escape(dataset['frame'] or 'what the dataset gives before it is standardised')}. Codes are "
        f"{ranges}. Arrays give arrays, tensors tensors.",
        "`tokenizer.safetensors` holds every array: `transform.mean`, `.scale` (z-scores), `.centre`, `.components` "
        "(principal components), `encoder.*`, `quantizer.*`, `decoder.*`, and, for readers without the package, "
        "`codebook` (K, D) where a code is one index, and `positions` (K, g) where codes have a grid. "
        "`tokenizer.json` tells family, parameters and layers (ReLU between them).",
        "## Metrics",
        "On the test split of this seed alone: one seed has no interval, so nothing here says that this quantizer is "
        "better than another.",
        _metrics(metrics, record["metrics"], dataset["unit"]),
        "## Data",
        f"{code(cell['dataset'])}: {escape(dataset['source'] or 'source unknown')}. Licence: "
        f"{escape(dataset['licence'] or 'not known; ask whoever owns the data')}.",
        _listed(dataset["facts"]),
        "## Training",
        f"{code(cell['quantizer'])} with {_inline(cell['parameters'])}; {capacity['network_parameters']:,} network "
        f"parameters, hidden width {capacity['hidden']}; {number(record['train_seconds'])} s on "
        f"{escape(record['device'])}. Cell {code(record['key'])}.",
        _listed({name: value for name, value in environment.items() if not isinstance(value, Mapping)}),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _metrics(metrics: Sequence[Mapping[str, Any]], values: Mapping[str, float | None], unit: str) -> str:
    rows = []
    for metric in metrics:
        name, value = metric["name"], values.get(metric["name"])
        if value is not None:
            in_units = f" {escape(unit)}".rstrip() if name == "error_units" else ""
            rows.append({"metric": code(name), "value": number(value) + in_units, "": escape(metric["summary"])})
    return markdown.table(rows)


def _inline(values: Mapping[str, Any]) -> str:
    return listed([f"{escape(name)} {escape(value)}" for name, value in values.items()]) or "no parameters"


def _listed(values: Mapping[str, Any]) -> str:
    return "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in values.items())
