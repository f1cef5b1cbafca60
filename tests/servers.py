"""Real servers for tests: started on loopback in a temporary folder, stopped by their pid."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Server(NamedTuple):
    """A running server and how to end it."""

    url: str
    stop: Callable[[], None]


def postgresql() -> Server:
    """A new PostgreSQL cluster; skips what asks for it where the server is not installed."""
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    places = os.pathsep.join([*installed, os.environ["PATH"]])
    initdb, postgres = shutil.which("initdb", path=places), shutil.which("postgres", path=places)
    if initdb is None or postgres is None:
        pytest.exit("--database postgresql needs PostgreSQL's initdb and postgres", returncode=2)
    folder = Path(tempfile.mkdtemp(prefix="platform-postgresql-"))
    port = _free_port()
    # PostgreSQL refuses to run as root.
    as_user = (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    )
    if as_user:
        shutil.chown(folder, "postgres")
    data = str(folder / "data")
    subprocess.run(
        [*as_user, initdb, "-A", "trust", "-U", "platform", "--no-sync", "-D", data],
        check=True, cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    process = subprocess.Popen(
        [*as_user, postgres, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def stop() -> None:
        process.send_signal(signal.SIGINT)  # the fast way, which does not wait for open connections
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)

    _await_port(port, process)
    return Server(f"postgresql+psycopg2://platform@127.0.0.1:{port}/postgres", stop)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    import psycopg2

    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="platform", dbname="postgres").close()
        except psycopg2.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")
