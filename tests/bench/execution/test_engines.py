import os

from bench.execution.engine import KEPT_MEMORY, job_environment


def test_a_job_gets_its_threads_and_what_the_user_set(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("SOMETHING", "else")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    actual = job_environment(2)
    assert {actual[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"2"}
    assert actual["SOMETHING"] == "else"
    assert actual["GLIBC_TUNABLES"] == KEPT_MEMORY
    assert os.pathsep not in actual["PYTHONPATH"]


def test_what_the_user_told_the_allocator_counts(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert job_environment(1)["GLIBC_TUNABLES"].endswith(":glibc.malloc.hugetlb=0")
