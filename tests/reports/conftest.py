import pandas as pd
import pytest

from reports.inputs import Results

METRICS = [
    {"name": "mse", "direction": "lower", "target": None, "summary": "error; [0, inf)", "needs": []},
    {"name": "active", "direction": "none", "target": None, "summary": "use", "needs": []},
]


@pytest.fixture(scope="session")
def make():
    """Results of a small run, whole or with what a test replaces."""

    def made(
        names=("vq", "fsq"),
        seeds=3,
        status="done",
        real=True,
        levels=None,
        values=None,
        statuses=None,
        dataset="lorenz",
        **more,
    ):
        statuses = {name: [status] * seeds for name in names} | (statuses or {})
        table = [
            {"quantizer": name, "dataset": dataset, "real": real, "seed": seed, "status": item}
            | {"mse": (values or {}).get(name, 0.1) + 0.01 * seed, "active": 50.0}
            for name in names
            for seed, item in enumerate(statuses[name])
        ]
        summary = [
            {"quantizer": name, "dataset": dataset, "real": real, "role": "family", "cells": len(statuses[name])}
            | {"done": statuses[name].count("done"), "mse_n": seeds, "active_n": seeds - 1, "active_high": None}
            | ({"mse": (values or {}).get(name, 0.1234567)} if "done" in statuses[name] else {"mse": None})
            | ({"active": 50.0} if "done" in statuses[name] else {"active": None})
            for name in names
        ]
        for row in summary:
            row["mse_high"] = None if row["mse"] is None else row["mse"] + 0.001
        capacities = [
            {"quantizer": name, "dataset": dataset, "codebook_size": 16, "bits_per_token": 4.0, "hidden": 128}
            | {"network_parameters": 4368, "mismatch": 0.0, "codebook_values": 128, "frames_seen": 6912}
            | {"levels": levels, "built": True}
            for name in names
        ]
        given = {
            "table": pd.DataFrame(table),
            "summary": pd.DataFrame(summary),
            "rankings": pd.DataFrame(),
            "claims": pd.DataFrame(),
            "nulls": pd.DataFrame(columns=["dataset"]),
            "spread": pd.DataFrame(columns=["dataset", "metric", "data", "training", "rest"]),
            "diagnosis": pd.DataFrame(columns=["dataset", "quantizer", "seed", "problem", "finding"]),
            "indices": pd.DataFrame(columns=["dataset", "quantizer", "index"]),
            "rates": pd.DataFrame(columns=["dataset", "quantizer", "sizes", "n", "difference", "low", "high"]),
            "metrics": METRICS,
            "protocol": {"name": "quick", "purpose": "a purpose", "capacity": "matched", "schedule": {"epochs": 24}},
            "capacities": capacities,
            "parameters": {name: {"decay": 0.99} for name in names},
            "sources": {dataset: {"sequences": 80}},
            "notes": {dataset: {"dt": 0.01}},
            "units": {dataset: "cm"},
            "stand_ins": {} if real else {dataset: "the sky"},
            "failures": [],
            "planned": len(table),
            "environments": [{"python": "3.11", "processor": "Abacus", "cores": 2, "packages": {"torch": "2"}}],
            "made": "6 cells",
            "command": "python -m bench run",
            "folder": "quick",
            "title": "protocol quick",
            "published_tables": ["main"],
        }
        return Results(**(given | more))

    return made


@pytest.fixture(scope="session")
def ranked():
    """Rankings in which the first row is best and the others have the standings given."""

    def rows(metric="mse", dataset="lorenz", **standings):
        shared = {"dataset": dataset, "metric": metric, "n": 3, "mean": 0.123, "best": next(iter(standings))}
        shared |= {"difference": 0.01, "low": -0.1, "high": 0.1, "p": 0.5, "p_holm": 0.5}
        return pd.DataFrame([shared | {"quantizer": name, "standing": value} for name, value in standings.items()])

    return rows
