"""Real servers for tests: started on a free loopback port in a temporary folder, stopped by their pid."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

_START_TIMEOUT = 60.0  # seconds


class Server(NamedTuple):
    """A running server and how to end it."""

    url: str
    stop: Callable[[], None]


def postgresql() -> Server:
    """Start a new PostgreSQL cluster."""
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    initdb, postgres = _programs(["initdb", "postgres"], installed)
    folder, as_user = _folder("postgres")
    port, data = _free_port(), str(folder / "data")
    subprocess.run(
        [*as_user, initdb, "-A", "trust", "-U", "platform", "--no-sync", "-D", data],
        check=True, cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    command = [postgres, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off"]
    # SIGINT is its fast way to stop, which does not wait for open connections.
    return _start(
        [*as_user, *command],
        folder,
        signal.SIGINT,
        f"postgresql+psycopg2://platform@127.0.0.1:{port}/postgres",
    )


def mysql() -> Server:
    """Start a new MariaDB in place of MySQL, which Debian does not have."""
    install, mariadbd = _programs(["mariadb-install-db", "mariadbd"], ["/usr/sbin"])
    folder, as_user = _folder("mysql")
    port, data = _free_port(), f"--datadir={folder / 'data'}"
    subprocess.run(
        [*as_user, install, "--no-defaults", data, "--auth-root-authentication-method=normal"],
        check=True, cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    command = [mariadbd, "--no-defaults", data, f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder / 'socket'}", "--innodb-flush-log-at-trx-commit=0"]
    # Airflow asks for this of every MySQL; the database that is there from the start is one of latin1.
    command += ["--explicit-defaults-for-timestamp=1", "--character-set-server=utf8mb4"]
    (folder / "init.sql").write_text("CREATE DATABASE platform CHARACTER SET utf8mb4;", encoding="ascii")
    command += [f"--init-file={folder / 'init.sql'}"]
    url = f"mysql+pymysql://root@127.0.0.1:{port}/platform"
    return _start([*as_user, *command], folder, signal.SIGTERM, url)


def redis() -> Server:
    """Start a new Redis without files."""
    (server,) = _programs(["redis-server"], [])
    folder = Path(tempfile.mkdtemp(prefix="platform-redis-"))
    port = _free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    return _start(command, folder, signal.SIGTERM, f"redis://127.0.0.1:{port}/0")


def clickhouse() -> Server:
    """A new ClickHouse; Debian's is of 2018, whose protocol is that of today's."""
    (server,) = _programs(["clickhouse-server"], [])
    folder = Path(tempfile.mkdtemp(prefix="platform-clickhouse-"))
    port = _free_port()
    (folder / "users.xml").write_text(
        "<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>"
        "<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>"
        "</default></users></yandex>",
        encoding="ascii",
    )
    (folder / "config.xml").write_text(
        f"<yandex><logger><level>none</level></logger><http_port>{port}</http_port>"
        f"<listen_host>127.0.0.1</listen_host><path>{folder}/data/</path>"
        f"<tmp_path>{folder / 'scratch'}/</tmp_path>"
        f"<users_config>{folder}/users.xml</users_config><default_profile>default</default_profile>"
        "<default_database>default</default_database><mark_cache_size>67108864</mark_cache_size></yandex>",
        encoding="ascii",
    )
    command = [server, f"--config-file={folder}/config.xml"]
    return _start(command, folder, signal.SIGTERM, f"http://127.0.0.1:{port}")


def registry() -> Server:
    """A new registry of images, which asks for no login."""
    (server,) = _programs(["docker-registry"], [])
    folder = Path(tempfile.mkdtemp(prefix="platform-registry-"))
    port = _free_port()
    (folder / "settings.yml").write_text(
        f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/images}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n",
        encoding="ascii",
    )
    command = [server, "serve", str(folder / "settings.yml")]
    return _start(command, folder, signal.SIGTERM, f"http://127.0.0.1:{port}")


def _programs(names: list[str], places: list[str]) -> list[str]:
    path = os.pathsep.join([*places, os.environ["PATH"]])
    found = [shutil.which(name, path=path) for name in names]
    if None in found:
        pytest.exit(f"Not installed: {' or '.join(names)}. See scripts/install-servers.", returncode=2)
    return [str(program) for program in found]


def _folder(user: str) -> tuple[Path, list[str]]:
    """A folder, and what makes a command run as the user who owns it: servers refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"platform-{user}-"))
    if os.getuid() != 0:
        return folder, []
    shutil.chown(folder, user)
    return folder, ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _start(command: list[str], folder: Path, stop_signal: signal.Signals, url: str) -> Server:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.send_signal(stop_signal)
        process.wait(_START_TIMEOUT)
        shutil.rmtree(folder, ignore_errors=True)

    deadline = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(url):
            return Server(url, stop)
        time.sleep(0.1)
    raise RuntimeError(f"{command[-1]} did not start: {' '.join(command)}")


def _answers(url: str) -> bool:
    if url.startswith("redis:"):
        from redis import ConnectionError as RedisConnectionError
        from redis import Redis

        with Redis.from_url(url) as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:
                return False
    if url.startswith("http:"):
        with suppress(requests.ConnectionError):
            return any(requests.get(f"{url}/{path}", timeout=10).ok for path in ("v2/", "ping"))
        return False
    engine = create_engine(url)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    engine.dispose()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
