"""Guard that restores the process, whatever a plug-in changes in it."""

import contextlib
import decimal
import gc
import locale
import os
import random
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Undo what a plug-in changes globally while it is imported or called, so that it costs its own row alone.

    These are PyTorch's default type and device, threads, precision, determinism and gradients; the random generators
    of PyTorch, NumPy and Python; what NumPy and the decimal module do about errors; warnings and the standard streams;
    the environment, the working folder, the umask, the locale, signals, and Python's own switches. What it registers
    and what it puts on the import path stays.
    """
    with contextlib.ExitStack() as stack:
        for keep in (_process, _python, _numbers, _torch):
            stack.enter_context(keep())
        yield


@contextlib.contextmanager
def _process() -> Iterator[None]:
    environment, umask, folder = dict(os.environ), os.umask(0o22), _folder()
    os.umask(umask)
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS} if main else {}
    timeout, place = socket.getdefaulttimeout(), locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        os.umask(umask)
        if folder is not None and _folder() != folder:
            os.chdir(folder)
        for number, handler in handlers.items():
            if handler is not None:  # None was set by C code, which Python cannot set again
                signal.signal(number, handler)
        socket.setdefaulttimeout(timeout)
        if locale.setlocale(locale.LC_ALL) != place:
            locale.setlocale(locale.LC_ALL, place)


def _folder() -> Path | None:
    """The working folder; None where it is gone."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _python() -> Iterator[None]:
    streams, hook = (sys.stdin, sys.stdout, sys.stderr), sys.excepthook
    arguments, recursion, collects = list(sys.argv), sys.getrecursionlimit(), gc.isenabled()
    filters, show = warnings.filters[:], warnings.showwarning
    try:
        yield
    finally:
        (sys.stdin, sys.stdout, sys.stderr), sys.excepthook = streams, hook
        sys.argv[:] = arguments
        if sys.getrecursionlimit() != recursion:
            sys.setrecursionlimit(recursion)
        (gc.enable if collects else gc.disable)()
        if warnings.filters != filters:
            warnings.resetwarnings()  # which tells Python that its memory of filters is stale
            warnings.filters[:] = filters  # type: ignore[index]
        warnings.showwarning = show


@contextlib.contextmanager
def _numbers() -> Iterator[None]:
    drawn, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 -- what a plug-in may seed
    try:
        with np.errstate(), np.printoptions(), decimal.localcontext():
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(legacy)  # noqa: NPY002


@contextlib.contextmanager
def _torch() -> Iterator[None]:
    kind, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    precision, generator = torch.get_float32_matmul_precision(), torch.random.get_rng_state()
    strict = _determinism()
    cudnn = torch.backends.cudnn
    tuned, exact = cudnn.benchmark, cudnn.deterministic
    gradients, anomalies = torch.is_grad_enabled(), torch.is_anomaly_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(kind)
        if torch.get_default_device() != device:
            # A device that is set, even the CPU, costs every call of PyTorch's a detour.
            torch.set_default_device(None if device.type == "cpu" else device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
        if _determinism() != strict:  # which loads the compiler, two seconds of imports
            torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
        cudnn.benchmark, cudnn.deterministic = tuned, exact
        torch.set_grad_enabled(gradients)
        if torch.is_anomaly_enabled() != anomalies:
            torch.autograd.set_detect_anomaly(anomalies)
        torch.random.set_rng_state(generator)


def _determinism() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
