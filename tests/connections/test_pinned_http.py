"""HTTP requests of a test go only to the connection's host."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from options import set_options

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections import pinned_http
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.connections.testing import runner

URL = "/api/v1/platform/connections"


class Site:
    """A web server that records its requests, and redirects them if ``location`` is set."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.location: str | None = None
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append((self.path, dict(self.headers)))
                self.send_response(302 if site.location else 200)
                if site.location:
                    self.send_header("Location", site.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@contextmanager
def served() -> Iterator[Site]:
    site = Site()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture
def site() -> Iterator[Site]:
    """Run the connection's host."""
    with served() as running:
        yield running


@pytest.fixture
def sites(site: Site) -> Iterator[tuple[Site, Site]]:
    """Run the connection's host, and a server that the connection does not name."""
    with served() as elsewhere:
        yield site, elsewhere


@pytest.fixture
def test_of(
    call: Callable[..., Any], tenant_caller: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Test a connection of a tenant that may reach this machine, also by the name ``site.internal``."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    set_options(monkeypatch, internal_hosts="127.0.0.0/8, site.internal")
    monkeypatch.setattr(addresses, "look_up", lambda _: ("127.0.0.1",))  # DNS has no such name
    tenant = tenant_caller("a")

    def test(*, by: Callable[..., Any] = tenant, **fields: Any) -> dict[str, Any]:
        answer = by("POST", f"{URL}/test", json={"connection_type": "http", **fields})
        assert answer.status == 200, answer.text
        outcome: dict[str, Any] = answer.json
        return outcome

    return test


@pytest.mark.parametrize(
    "extra", [{}, {"allow_redirects": True}, {"allow_redirects": True, "max_redirects": 5}]
)
@pytest.mark.parametrize("administrator", [False, True])
def test_no_redirect_is_followed(
    test_of: Any, sites: tuple[Site, Site], call: Any, extra: dict[str, Any], *, administrator: bool
) -> None:
    """A redirect could lead to a host that a tenant may not name, even if the connection allows redirects."""
    site, elsewhere = sites
    site.location = f"http://127.0.0.1:{elsewhere.port}/metadata"
    by = {"by": call} if administrator else {}
    outcome = test_of(host="127.0.0.1", port=site.port, extra=extra, **by)
    assert outcome["status"] == "success"
    assert len(site.requests) == 1
    assert elsewhere.requests == []


def test_the_servers_proxies_and_netrc_are_not_used(
    test_of: Any, sites: tuple[Site, Site], call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They hold the operator's credentials and routes."""
    site, elsewhere = sites
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
    for caller in ({}, {"by": call}):
        assert test_of(host="127.0.0.1", port=site.port, **caller)["status"] == "success"
    assert elsewhere.requests == []
    assert all("Authorization" not in headers for _, headers in site.requests)


def test_the_request_goes_to_the_checked_address(test_of: Any, site: Site) -> None:
    """The request has the host's name, and the name is not looked up again."""
    outcome = test_of(host=f"http://site.internal:{site.port}/a/b?c=d", login="me", password="pw")
    assert outcome["status"] == "success"
    ((path, headers),) = site.requests
    assert path.startswith("/a/b")
    assert headers["Host"] == f"site.internal:{site.port}"
    assert headers["Authorization"].startswith("Basic ")


def test_an_unknown_name_is_a_failed_test(test_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says so."""
    monkeypatch.setattr(addresses, "look_up", lambda _: ())
    outcome = test_of(host="site.internal", port=80)
    assert (outcome["status"], outcome["message"]) == ("failed", "The host's name is unknown.")


def test_a_name_that_leads_to_the_server_itself_is_refused(
    call: Any, tenant_caller: Any, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    """The test's thread looks the name up and refuses it; no request is sent."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    monkeypatch.setattr(addresses, "look_up", lambda _: ("127.0.0.1",))
    mine = tenant_caller("a")
    body = {"connection_id": "c", "connection_type": "http", "host": "db.internal", "port": site.port}
    assert mine("POST", URL, json=body).status == 201
    for path, given in (("/c/test", None), ("/test", body)):
        refused = mine("POST", f"{URL}{path}", json=given)
        assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/host"
    assert site.requests == []
    assert not [thread for thread in threading.enumerate() if thread.name == runner.THREAD]


def test_subclasses_of_the_http_hook_are_pinned_too() -> None:
    """Providers derive hooks from the HTTP hook."""
    from airflow.providers.http.hooks.http import HttpHook
    from airflow.providers.redis.hooks.redis import RedisHook

    class Made(HttpHook):
        pass

    assert airflow_compat.connections.is_http_hook(Made)
    assert not airflow_compat.connections.is_http_hook(RedisHook)


def test_certificates_must_match_the_name_and_not_the_address() -> None:
    """The URL has the address, and the certificate is checked against the name."""
    adapter = pinned_http.PinnedAdapter(("127.0.0.1",))
    request = requests.Request("GET", "https://name.internal:1/x").prepare()
    with pytest.raises(requests.ConnectionError):
        adapter.send(request, timeout=5)
    assert adapter.poolmanager.connection_pool_kw["assert_hostname"] == "name.internal"
    assert adapter.poolmanager.connection_pool_kw["server_hostname"] == "name.internal"
    assert request.url == "https://127.0.0.1:1/x"


def test_the_first_address_that_accepts_a_connection_is_used(site: Site) -> None:
    """Drivers do the same with the addresses of a name."""
    assert addresses.find_open_address(("::1", "127.0.0.1"), site.port, (1, 1)) == "127.0.0.1"
    assert addresses.find_open_address(("127.0.0.2", "::1"), 1, 1) == "127.0.0.2"
