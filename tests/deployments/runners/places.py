"""The kit of these tests, and the places where it runs."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubernetes.client import ApiException, CoreV1Api
from kubernetes.config import new_client_from_config

SCRIPT = (Path(__file__).parent / "kit.sh").read_text(encoding="ascii")
IMAGE = "registry.localhost/kit:1.0.0"
_MANAGED = "app.kubernetes.io/managed-by=airflow-platform"
_DELETION_TIMEOUT = 60.0  # seconds


class Place:
    """A place where kits run."""

    def __init__(
        self, name: str, left: Callable[[], list[Any]], *, limits: bool = True, **options: str
    ) -> None:
        self.name = name
        self.limits = limits  # whether a kit is limited to its requirements
        self.left = left  # returns what is left of kits
        self.options = options  # [platform]


class Cluster:
    """A Kubernetes cluster that has the kit's image."""

    def __init__(self, kubeconfig: Path, *, real: bool) -> None:
        self.kubeconfig = kubeconfig
        self.real = real
        self.api = CoreV1Api(new_client_from_config(str(kubeconfig)))

    def pods(self) -> list[Any]:
        """Return the pods of kits."""
        found: list[Any] = self.api.list_namespaced_pod("default", label_selector=_MANAGED).items
        return found

    def secrets(self) -> list[Any]:
        """Return the Secrets of kits."""
        found: list[Any] = self.api.list_namespaced_secret("default", label_selector=_MANAGED).items
        return found

    def left(self) -> list[Any]:
        """Return pods and Secrets, after waiting for deletions."""
        deadline = time.monotonic() + _DELETION_TIMEOUT
        while (found := [*self.pods(), *self.secrets()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def clear(self) -> None:
        """Delete what a failed test has left."""
        for item in self.pods():
            with suppress(ApiException):
                self.api.delete_namespaced_pod(item.metadata.name, "default", grace_period_seconds=0)
        for item in self.secrets():
            with suppress(ApiException):
                self.api.delete_namespaced_secret(item.metadata.name, "default")
        self.left()
