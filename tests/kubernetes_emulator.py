"""An emulator of the part of Kubernetes' API that Airflow's operator uses; its containers are processes.

An image is a command: ``Emulator({"registry.localhost/kit:1.0.0": ["sh", "kit.sh"]})``. A pod has one
container, whose environment is what the pod says, and PATH. /dev/termination-log is one file for the whole
machine: a variable with that value names a file of the process's own in its place.

Why not kmock 0.8: it has a server and a store of objects, and is asynchronous. Selectors, statuses, logs,
graceful deletion, owners and events would all be ours still, and what it spares us is a dictionary.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Object = dict[str, Any]

_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/(pods|secrets|events)(?:/([^/]+)(/log)?)?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_LONGEST_MESSAGE = 4096  # bytes
_STEP = 0.02  # seconds between two looks at a process


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
        }


class Emulator:
    """A cluster with the namespace ``default``. It listens on loopback until it is stopped."""

    def __init__(self, images: dict[str, list[str]]) -> None:
        self.images = images
        self.changed = threading.Condition()
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._lines: dict[str, list[tuple[str, bytes]]] = {}  # what a pod has printed, and when, by uid
        self._folder = Path(tempfile.mkdtemp(prefix="platform-kubernetes-"))
        self._kubelets: list[threading.Thread] = []
        handler = type("Handler", (_Handler,), {"emulator": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def kubeconfig(self) -> Object:
        """How a client reaches it."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": address}}],
            "users": [{"name": "test", "user": {}}],
        }

    def stop(self) -> None:
        """End all that runs."""
        with self.changed:
            for pod in self.find("pods", "", ""):
                pod["metadata"] |= {"deletionTimestamp": _now(), "deletionGracePeriodSeconds": 0}
            self.changed.notify_all()
        for kubelet in self._kubelets:
            kubelet.join()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder)

    # The requests of clients. The caller must hold the lock.

    def find(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """All objects of a namespace, or of all, with these labels."""
        return [
            item
            for (its_kind, its_namespace, _), item in self._objects.items()
            if its_kind == kind
            and namespace in ("", its_namespace)
            and _matches(item["metadata"].get("labels") or {}, selector)
        ]

    def read(self, kind: str, namespace: str, name: str) -> Object:
        """The object itself, no copy."""
        try:
            return self._objects[kind, namespace, name]
        except KeyError:
            raise Refused(404, "NotFound", f'{kind} "{name}" not found') from None

    def create(self, kind: str, namespace: str, item: Object) -> Object:
        """Keep it; a pod starts."""
        if namespace != "default":
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        metadata = item["metadata"]
        name = metadata["name"]
        labels = (metadata.get("labels") or {}).values()
        if not _NAME.fullmatch(name) or not all(_LABEL.fullmatch(value) for value in labels):
            raise Refused(422, "Invalid", f'{kind} "{name}" is invalid: metadata: Invalid value')
        if (kind, namespace, name) in self._objects:
            raise Refused(409, "AlreadyExists", f'{kind} "{name}" already exists')
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
        self._objects[kind, namespace, name] = item
        if kind == "secrets":
            plain = item.pop("stringData", None) or {}
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            item["data"] = (item.get("data") or {}) | encoded
        if kind == "pods":
            item["status"] = {"phase": "Pending"}
            kubelet = threading.Thread(target=self._keep, args=(item,))
            self._kubelets.append(kubelet)
            kubelet.start()
        return item

    def patch(self, kind: str, namespace: str, name: str, change: Object) -> Object:
        """Merge the change into it; lists are replaced."""
        return _merge(self.read(kind, namespace, name), change)

    def delete(self, kind: str, namespace: str, name: str, grace: float | None) -> Object:
        """Forget it; a pod, once it has ended."""
        item = self.read(kind, namespace, name)
        if kind != "pods":
            return self._objects.pop((kind, namespace, name))
        if grace is None:
            grace = item["spec"].get("terminationGracePeriodSeconds", 30)
        item["metadata"].setdefault("deletionTimestamp", _now())
        grace = min(grace, item["metadata"].get("deletionGracePeriodSeconds", grace))
        item["metadata"]["deletionGracePeriodSeconds"] = grace
        self.changed.notify_all()
        return item

    def log(self, pod: Object, query: dict[str, str]) -> Iterator[bytes]:
        """What the pod has printed; with ``follow`` also what it prints until its end."""
        lines = self._lines.get(pod["metadata"]["uid"])
        if lines is None:
            raise Refused(400, "BadRequest", "container is waiting to start")
        follow, timestamps = (query.get(name, "").lower() == "true" for name in ("follow", "timestamps"))
        return self._follow(pod, lines, follow=follow, timestamps=timestamps)

    def _follow(
        self, pod: Object, lines: list[tuple[str, bytes]], *, follow: bool, timestamps: bool
    ) -> Iterator[bytes]:
        sent, over = 0, False
        while not over:
            with self.changed:
                self.changed.wait_for(lambda: not follow or len(lines) > sent or _is_over(pod))  # noqa: B023 - at once
                new, over = lines[sent:], not follow or _is_over(pod)
            for moment, line in new:
                yield moment.encode() + b" " + line if timestamps else line
            sent += len(new)

    # The node's part: a thread for each pod.

    def _keep(self, pod: Object) -> None:
        """Run the pod, and remove it once it is to be deleted, with what it owns."""
        metadata = pod["metadata"]
        self._run(pod)
        with self.changed:
            self.changed.wait_for(lambda: "deletionTimestamp" in metadata)
            del self._objects["pods", metadata["namespace"], metadata["name"]]
            for secret in self.find("secrets", metadata["namespace"], ""):
                owners = secret["metadata"].get("ownerReferences") or []
                if any(owner["uid"] == metadata["uid"] for owner in owners):
                    del self._objects["secrets", metadata["namespace"], secret["metadata"]["name"]]

    def _run(self, pod: Object) -> None:
        (container,) = pod["spec"]["containers"]
        command = self.images.get(container["image"])
        if command is None:
            message = f"rpc error: no such image: {container['image']}"
            self._report(pod, "Pending", {"waiting": {"reason": "ErrImagePull", "message": message}})
            return
        file = self._folder / pod["metadata"]["uid"]
        file.touch()
        try:
            variables = self._variables(pod, container, file)
        except Refused as refused:
            waiting = {"reason": "CreateContainerConfigError", "message": str(refused)}
            self._report(pod, "Pending", {"waiting": waiting})
            return
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(pod, process.stdout))
        started = _now()
        with self.changed:
            self._lines[pod["metadata"]["uid"]] = []
        reader.start()
        self._report(pod, "Running", {"running": {"startedAt": started}})
        trouble = self._watch(pod, process)
        # As with the first process of a container, all others end with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        reader.join()
        end = {
            "exitCode": status if status >= 0 else 128 - status,
            "reason": "Error" if status else "Completed",
            "startedAt": started,
            "finishedAt": _now(),
            "message": file.read_bytes()[-_LONGEST_MESSAGE:].decode(errors="replace"),
        }
        phase = "Failed" if status or trouble else "Succeeded"
        self._report(pod, phase, {"terminated": end}, **trouble)

    def _variables(self, pod: Object, container: Object, file: Path) -> dict[str, str]:
        found = {"PATH": os.environ["PATH"]}
        for source in container.get("envFrom") or []:
            with self.changed:
                secret = self.read("secrets", pod["metadata"]["namespace"], source["secretRef"]["name"])
                found |= {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
        for item in container.get("env") or []:
            found[item["name"]] = _REFERENCE.sub(
                lambda match: "$" if match[0] == "$$" else found.get(match[1], match[0]),
                item.get("value", ""),
            )
        path = container.get("terminationMessagePath", "/dev/termination-log")
        return {name: str(file) if value == path else value for name, value in found.items()}

    def _read(self, pod: Object, stream: Any) -> None:
        for line in stream:
            with self.changed:
                self._lines[pod["metadata"]["uid"]].append((_now(), line))
                self.changed.notify_all()

    def _watch(self, pod: Object, process: subprocess.Popen[bytes]) -> dict[str, str]:
        """Wait for its end, and bring it about where that is due; what else there is to tell of it."""
        deadline = time.monotonic() + pod["spec"].get("activeDeadlineSeconds", float("inf"))
        asked: float | None = None
        trouble = {}
        # It stays a zombie: its number, and its group's, are not given to others before we are done.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            now, deleted = time.monotonic(), "deletionTimestamp" in pod["metadata"]
            if asked is None and (deleted or now > deadline):
                asked = now
                if not deleted:
                    message = "Pod was active on the node longer than the specified deadline"
                    trouble = {"reason": "DeadlineExceeded", "message": message}
                process.terminate()
            default = pod["spec"].get("terminationGracePeriodSeconds", 30)
            grace = pod["metadata"].get("deletionGracePeriodSeconds", default)
            if asked is not None and now > asked + grace:
                process.kill()
            time.sleep(_STEP)
        return trouble

    def _report(self, pod: Object, phase: str, state: Object, **more: str) -> None:
        (container,) = pod["spec"]["containers"]
        digest = hashlib.sha256(container["image"].encode()).hexdigest()
        status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"{container['image'].rpartition(':')[0]}@sha256:{digest}",
            "ready": phase == "Running",
            "restartCount": 0,
            "state": state,
        }
        conditions = [{"type": "PodScheduled", "status": "True"}]
        with self.changed:
            pod["status"] = {"phase": phase, "conditions": conditions, "containerStatuses": [status], **more}
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of an error, unless it is that a client has gone, as each may."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    emulator: Emulator

    def log_message(self, *_: Any) -> None:
        """Tell nothing on the tests' output."""

    def _serve(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        url = urlsplit(self.path)
        query, match = dict(parse_qsl(url.query)), _PATH.fullmatch(url.path)
        if match is None:
            self._send(404, json.dumps(Refused(404, "NotFound", f"no such path: {url.path}").status))
            return
        try:
            namespace, kind, name, log = match.groups()
            with self.emulator.changed:
                if log:
                    lines = self.emulator.log(self.emulator.read(kind, namespace, name), query)
                else:
                    text = json.dumps(self._answer(kind, namespace, name or "", query, body))
            if log:
                self._stream(lines)
            elif "watch" in query:  # nothing happens
                time.sleep(float(query["timeoutSeconds"]))
                self._stream(iter(()))
            else:
                self._send(200, text)
        except Refused as refused:
            self._send(refused.code, json.dumps(refused.status))
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _answer(self, kind: str, namespace: str, name: str, query: dict[str, str], body: Object) -> Object:
        if self.command == "POST":
            return self.emulator.create(kind, namespace, body)
        if self.command == "PATCH":
            return self.emulator.patch(kind, namespace, name, body)
        if self.command == "DELETE":
            grace = query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
            return self.emulator.delete(kind, namespace, name, None if grace is None else float(grace))
        if name:
            return self.emulator.read(kind, namespace, name)
        items = self.emulator.find(kind, namespace, query.get("labelSelector", ""))
        return {"kind": f"{kind[:-1].title()}List", "metadata": {"resourceVersion": "1"}, "items": items}

    def _send(self, code: int, text: str) -> None:
        content = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, parts: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")


def _now() -> str:
    return datetime.now(tz=timezone.utc).isoformat().replace("+00:00", "Z")


def _is_over(pod: Object) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _matches(labels: dict[str, str], selector: str) -> bool:
    """Whether labels are as a selector such as ``a=b,c!=d,!e`` wants them."""
    for term in filter(None, selector.split(",")):
        name, _, value = term.partition("=")
        if term.startswith("!"):
            fits = term[1:] not in labels
        elif name.endswith("!"):
            fits = labels.get(name[:-1]) != value
        else:
            fits = labels.get(name) == value
        if not fits:
            return False
    return True


def _merge(item: Object, change: Object) -> Object:
    for name, value in change.items():
        item[name] = _merge(item.get(name) or {}, value) if isinstance(value, dict) else value
    return item
