import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch: a worker a core, a thread a worker
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def bench():
    """Run `python -m bench ...` from the checkout and return the finished process."""

    def run(*arguments, timeout=900, **environment):
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {name: str(value) for name, value in environment.items()},
        )

    return run


class Server(http.server.ThreadingHTTPServer):
    """One file over HTTP on the loopback address, with what a server may do wrong.

    Attributes:
        content: What it serves, whatever the path.
        tag: Its ETag; another content has another one.
        cuts: Bytes after which the next answers end, one each; the others are whole.
        statuses: Errors that the next answers are, one each.
        ranges: Whether it answers with parts.
        asked: The Range header of each request, None where there was none.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = b"", '"first"'
        self.cuts, self.statuses, self.asked = [], [], []
        self.ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}/keypoints3d.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        begin = 0
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if begin >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        part = server.content[begin:]
        self.send_header("Content-Length", str(len(part)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(part[: server.cuts.pop(0)] if server.cuts else part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server of one file, and no pauses between attempts to reach it."""
    from datasets import _download

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_download, "PAUSES", (0.0, 0.0))
    serving = Server()
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()
