"""A real Kubernetes cluster of one node for tests: everything on loopback, in a temporary folder.

``python tests/kubernetes_cluster.py PROGRAMS COMMAND…`` runs a command with one; see scripts/test-kubernetes.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import docker
from docker.errors import DockerException
from docker_engine import busybox_image, engine

from airflow_platform_plugin.quickstart.processes import Processes, StepFailed, free_port

_START_TIMEOUT = 120.0  # seconds
_NODE = "127.0.0.1"  # the kubelet takes its address from this name, and only so a loopback one

# What holds a pod's namespaces together; it ends as soon as it is asked to.
_PAUSE = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"

# The kubelet keeps logs and checkpoints in fixed places and sets the kernel up to its taste. Here all of that
# happens in the folder: these are mounts in the engine's namespace, which nobody else sees.
_KUBELET = """
folder=$1
shift
mount --bind "$folder/var-lib" /var/lib
mount --bind "$folder/var-log" /var/log
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    mkdir -p "$(dirname "$folder/sys/$name")"
    cat "/proc/sys/$name" > "$folder/sys/$name"
    mount --bind "$folder/sys/$name" "/proc/sys/$name"
done
exec "$@"
"""


# A plugin of the Container Network Interface. The kubelet stops a pod that has no address; this one leads
# nowhere, so all pods may have the same.
_NETWORK_PLUGIN = """#!/bin/sh -eu
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "0.3.1", "supportedVersions": ["0.3.1"]}' ;;
ADD)
    if [ "${0##*/}" = alone ]; then
        inside="nsenter --net=$CNI_NETNS ip"
        $inside link add "$CNI_IFNAME" type veth peer name nowhere
        $inside address add 10.1.0.1/32 dev "$CNI_IFNAME"
        $inside link set "$CNI_IFNAME" up
    fi
    echo '{"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.1.0.1/32"}]}'
    ;;
esac
"""
_NETWORK = {"cniVersion": "0.3.1", "name": "alone", "type": "alone"}


class Cluster(NamedTuple):
    """A running cluster."""

    kubeconfig: Path  # of an administrator
    docker: str  # unix:///… of its node's engine: images that are loaded there need no registry


@contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    """Start etcd and Kubernetes from that folder of programs, and stop them at the end.

    A pod's network leads nowhere, or is its node's with ``hostNetwork``. Every component acts as the
    administrator.

    Raises:
        NoEngine: no Docker engine can run here.
        StepFailed: something of the cluster does not start; the message names its log.
    """
    node_engine = engine()
    folder = Path(tempfile.mkdtemp(prefix="platform-kubernetes-"))
    processes = Processes(
        os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}, folder / "logs"
    )
    try:
        busybox_image(node_engine.url, "pause:1", _PAUSE)
        kubeconfig = _start_control_plane(processes, folder)
        _start_kubelet(processes, folder, kubeconfig, node_engine.url, node_engine.inside)
        _wait(processes, kubeconfig, "wait", "--for=condition=Ready", f"node/{_NODE}", "--timeout=1s")
        _wait(processes, kubeconfig, "get", "serviceaccount", "default")
        with _sweeping(node_engine.url):
            yield Cluster(kubeconfig, node_engine.url)
    finally:
        # The kubelet first, or it starts again what the engine ends.
        processes.stop()
        node_engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start_control_plane(processes: Processes, folder: Path) -> Path:
    """Start all but the node; return the administrator's kubeconfig."""
    etcd, api = f"http://127.0.0.1:{free_port()}", free_port()
    key, certificate = _key_and_certificate(processes, folder)
    kubeconfig = folder / "kubeconfig"
    _write_kubeconfig(kubeconfig, f"https://127.0.0.1:{api}", key, certificate)
    processes.start(
        "etcd", "etcd", f"--data-dir={folder}/etcd",
        f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", "--listen-peer-urls=http://127.0.0.1:0",
    )  # fmt: skip
    processes.start(
        "kube-apiserver", "kube-apiserver", f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1", f"--secure-port={api}", f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}", f"--client-ca-file={certificate}", "--authorization-mode=RBAC",
        f"--kubelet-client-certificate={certificate}", f"--kubelet-client-key={key}",
        f"--service-account-key-file={certificate}", f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24",
        # Nobody finds it by its service: pods see no network of the cluster.
        "--endpoint-reconciler-type=none",
    )  # fmt: skip
    _wait(processes, kubeconfig, "get", "--raw=/readyz")
    alone = [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--port=0", "--secure-port=0"]
    processes.start(
        "kube-controller-manager", "kube-controller-manager", *alone,
        f"--service-account-private-key-file={key}", f"--root-ca-file={certificate}",
    )  # fmt: skip
    processes.start("kube-scheduler", "kube-scheduler", *alone)
    return kubeconfig


def _start_kubelet(
    processes: Processes, folder: Path, kubeconfig: Path, docker: str, inside: list[str]
) -> None:
    for name in ("var-lib", "var-log", "network-plugins", "networks"):
        (folder / name).mkdir()
    for name in ("alone", "loopback"):  # the kubelet asks for the second by this name
        plugin = folder / "network-plugins" / name
        plugin.write_text(_NETWORK_PLUGIN, encoding="ascii")
        plugin.chmod(0o755)
    (folder / "networks" / "alone.conf").write_text(json.dumps(_NETWORK), encoding="ascii")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    processes.start(
        "kubelet", *inside, "sh", "-euc", _KUBELET, "sh", str(folder),
        "kubelet", f"--kubeconfig={kubeconfig}",
        f"--hostname-override={_NODE}", "--address=127.0.0.1", f"--port={free_port()}", "--healthz-port=0",
        f"--root-dir={folder}/kubelet", f"--volume-plugin-dir={folder}/plugins",
        f"--docker-endpoint={docker}", f"--container-runtime-endpoint=unix://{folder}/dockershim",
        "--pod-infra-container-image=pause:1", "--network-plugin=cni", "--cluster-dns=10.0.0.10",
        f"--cni-bin-dir={folder}/network-plugins", f"--cni-conf-dir={folder}/networks",
        f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}",
        f"--client-ca-file={certificate}", "--anonymous-auth=false",
        # Leave the machine's firewall, its own rank in memory and its cgroups as they are.
        "--make-iptables-util-chains=false", "--oom-score-adj=0", "--cgroups-per-qos=false",
        "--enforce-node-allocatable=", "--fail-swap-on=false", "--node-status-update-frequency=1s",
        # Do not evict pods or delete images if the machine's disk is full.
        "--eviction-hard=memory.available<1Mi", "--image-gc-high-threshold=100",
    )  # fmt: skip


def _key_and_certificate(processes: Processes, folder: Path) -> tuple[Path, Path]:
    """One pair for everything: server, administrator, and who vouches for both."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    processes.run(
        "openssl", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-keyout", str(key), "-out", str(certificate), "-subj", "/O=system:masters/CN=admin",
        "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth,clientAuth",
    )  # fmt: skip
    return key, certificate


def _write_kubeconfig(path: Path, server: str, key: Path, certificate: Path) -> None:
    certificate_data, key_data = (base64.b64encode(file.read_bytes()).decode() for file in (certificate, key))
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "clusters": [
            {"name": "test", "cluster": {"server": server, "certificate-authority-data": certificate_data}}
        ],
        "users": [
            {
                "name": "admin",
                "user": {"client-certificate-data": certificate_data, "client-key-data": key_data},
            }
        ],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document), encoding="ascii")  # every JSON is YAML


@contextmanager
def _sweeping(docker_url: str) -> Iterator[None]:
    """Sweep up what ended pods leave: this kubelet does so once a minute, and no pod is deleted before."""
    ended = Event()

    def sweep() -> None:
        with closing(docker.APIClient(docker_url)) as client:
            while not ended.wait(0.5):
                filters = {"status": "exited", "label": "io.kubernetes.docker.type=podsandbox"}
                for container in client.containers(all=True, filters=filters):
                    with suppress(DockerException):
                        client.remove_container(container["Id"])

    thread = Thread(target=sweep, name="sweep")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _wait(processes: Processes, kubeconfig: Path, *command: str) -> None:
    """Wait until this command of kubectl succeeds."""
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        try:
            processes.run("kubectl", "kubectl", f"--kubeconfig={kubeconfig}", *command)
        except StepFailed:
            if time.monotonic() > deadline:
                raise
        else:
            return
        processes.check()
        time.sleep(0.2)


def main(programs: str, *command: str) -> int:
    """Run a command with a cluster; its environment says where the cluster is. Return its exit status."""
    # SIGTERM to this process ends all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with running(Path(programs)) as cluster:
        places = {"PLATFORM_TEST_KUBECONFIG": str(cluster.kubeconfig), "PLATFORM_TEST_DOCKER": cluster.docker}
        process = subprocess.Popen(command, env=os.environ | places)
        # A terminal interrupts the command too, which is waited for. It is also what makes pytest tidy up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
