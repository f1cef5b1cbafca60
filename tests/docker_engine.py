"""A Docker engine for tests, on a socket of its own, and images for it that come from no registry."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import docker
from docker.errors import DockerException
from docker.utils import parse_repository_tag

from airflow_platform_plugin.quickstart.processes import Processes, StepFailed

_START_TIMEOUT = 60.0  # seconds
_BUSYBOX = "/bin/busybox"

# Runs a command in mount and cgroup namespaces of its own: none of its mounts is left when it ends. Where
# both versions of cgroups are mounted, as in some virtual machines, it sees the first alone, which every
# engine knows.
_NAMESPACES = """
controllers=$(cut -d: -f2 /proc/self/cgroup | grep -v -e = -e '^$' || true)
if [ -n "$controllers" ]; then
    umount -R /sys/fs/cgroup
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for names in $controllers; do
        mkdir "/sys/fs/cgroup/$names"
        mount -t cgroup -o "$names" cgroup "/sys/fs/cgroup/$names"
    done
fi
exec "$@"
"""
_IN_NAMESPACES = ["unshare", "--mount", "--cgroup", "--propagation=private", "sh", "-euc", _NAMESPACES, "sh"]

# Starts a container, without the rank in memory above other processes that Kubernetes wants for some: not
# every machine's root may give it.
_RUNTIME = """#!/bin/sh
previous=
for argument; do
    [ "$previous" != --bundle ] || sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$argument/config.json"
    previous=$argument
done
exec runc "$@"
"""


class NoEngine(Exception):
    """No engine can run on this machine; the message says why."""


class Engine(NamedTuple):
    """A running engine and how to end it."""

    url: str  # unix:///…
    stop: Callable[[], None]
    inside: list[str]  # runs the command behind it with the mounts and cgroups that the engine sees


def engine() -> Engine:
    """A new engine without images. Its containers have the network ``host`` or ``none``.

    Raises:
        NoEngine: not root, not installed, or it does not start here.
    """
    if os.getuid() != 0:
        raise NoEngine("Only root can start a Docker engine.")
    if shutil.which("dockerd") is None or not Path(_BUSYBOX).exists():
        raise NoEngine("Not installed: dockerd or a static busybox. See scripts/install-servers.")
    folder = Path(tempfile.mkdtemp(prefix="platform-docker-"))
    url, pid_file = f"unix://{folder}/socket", folder / "pid"
    settings, runtime = folder / "settings.json", folder / "runtime"
    settings.write_text("{}", encoding="ascii")  # this machine's own settings are for its own engine
    runtime.write_text(_RUNTIME, encoding="ascii")
    runtime.chmod(0o755)
    processes = Processes(dict(os.environ), folder / "logs")

    def stop() -> None:
        _remove_containers(url)
        processes.stop()
        shutil.rmtree(folder, ignore_errors=True)

    processes.start(
        "engine", *_IN_NAMESPACES, "dockerd", f"--host={url}", f"--config-file={settings}",
        f"--pidfile={pid_file}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
        "--bridge=none", "--iptables=false", "--ip6tables=false", "--insecure-registry=127.0.0.0/8",
        f"--add-runtime=test={runtime}", "--default-runtime=test",
        # Without the right to raise limits, a container's must not be above our own.
        "--default-ulimit=nofile=20000:20000",
    )  # fmt: skip
    try:
        _wait(processes, url)
    except StepFailed as error:
        log = processes.log("engine").read_text(encoding="utf-8", errors="replace").strip()
        stop()
        raise NoEngine(f"dockerd does not start here: {error} … {log[-500:]}") from error
    except BaseException:
        stop()
        raise
    inside = ["nsenter", f"--target={pid_file.read_text(encoding='ascii').strip()}", "--mount", "--cgroup"]
    return Engine(url, stop, inside)


def busybox_image(socket: str, name: str, script: str) -> None:
    """Make an image ``name`` in the engine at ``socket`` that runs this shell script as its entrypoint.

    It holds the commands of Debian's ``busybox-static``, a ``/tmp``, and nothing else.
    """
    listed = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(tmp)
        programs = {"bin/busybox": Path(_BUSYBOX).read_bytes(), "entrypoint": f"#!/bin/sh\n{script}".encode()}
        for path, program in programs.items():
            file = tarfile.TarInfo(path)
            file.size, file.mode = len(program), 0o755
            archive.addfile(file, io.BytesIO(program))
        for command in set(listed.stdout.split()) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    repository, tag = parse_repository_tag(name)
    changes = ['ENTRYPOINT ["/entrypoint"]', "ENV PATH=/bin"]
    with closing(docker.APIClient(socket)) as client:
        client.import_image_from_data(content.getvalue(), repository, tag or "latest", changes=changes)


def _wait(processes: Processes, url: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not _answers(url):
        processes.check()
        if time.monotonic() > deadline:
            raise StepFailed("It does not answer.")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with closing(docker.APIClient(url)) as client:
            return bool(client.ping())
    except DockerException:
        return False


def _remove_containers(url: str) -> None:
    """Without this the engine waits for each that does not heed its polite signal."""
    with suppress(DockerException), closing(docker.APIClient(url)) as client:
        for container in client.containers(all=True):
            with suppress(DockerException):
                client.remove_container(container["Id"], force=True)
