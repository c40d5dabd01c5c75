"""Cells, plans and records made by hand."""

import json
from pathlib import Path

from bench.execution.engine import Job
from bench.execution.job import ChildJob
from bench.execution.task import CellTask, kept_parts
from bench.planning.capacity import Capacity
from bench.planning.cells import Cell
from bench.planning.finished import FinishedRun
from bench.records.store import Store

CAPACITY = Capacity(
    codebook_size=16,
    bits_per_token=4.0,
    hidden=8,
    facts={},
    network_parameters=100,
    reference_parameters=100,
    codebook_values=128,
    ordered=False,
    built=True,
)


def finished(plan, records, folder=Path("absent")):
    """A run of made-up records; nothing is read from its folder unless the test wrote it."""
    return FinishedRun(plan=plan, records=records, store=Store(folder, writable=False))


def cell(key, **changes):
    """A cell of plain VQ on Lorenz."""
    values = {
        "row": "vq",
        "role": "family",
        "quantizer": "vq",
        "parameters": {},
        "control": "",
        "dataset": "lorenz",
        "dataset_parameters": {},
        "real": True,
        "seed": 0,
        "data_seed": 0,
        "train_seed": 0,
        "protocol": {},
        "capacity": CAPACITY,
        "code": {},
        "key": key,
        "tokenizer_key": key,
        "batch_key": key,
    }
    return Cell(**(values | changes))


def job(*cells, metrics=(), ceiling=(), **more):
    """A job that measures some metrics of cells that have no record."""
    tasks = [
        CellTask(cell=cell, missing=tuple(metrics), former=kept_parts(None, set()), ceiling=tuple(ceiling))
        for cell in cells
    ]
    return Job(tasks=tuple(tasks), **({"device": "cpu", "environment": "of a test"} | more))


def work(job, folder):
    """Do a job in this process."""
    ChildJob(json.loads(json.dumps(job.spec(folder)))).run()
