"""Rate limits on the application: how callers are counted, and what responses report."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from calls import client
from forms import log_in
from options import set_options

from airflow_platform_plugin.auth import key_format, service
from airflow_platform_plugin.core.principal import Credential, Principal
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.http import request_state
from airflow_platform_plugin.ratelimit import request_class, request_counter
from airflow_platform_plugin.ratelimit.hooks import CountingBackend
from airflow_platform_plugin.ratelimit.limits import Subject
from airflow_platform_plugin.ratelimit.settings import RateLimitSettings

STOCK, OURS = "/api/v1/version", "/api/v1/platform/tenants"
OWN = "/api/v1/platform/rate-limit"
Call = Callable[..., Any]
Limit = Callable[..., Any]


def left(answer: Any) -> int:
    return int(answer.headers["X-RateLimit-Remaining"])


# --- the table ---


@pytest.mark.parametrize(
    ("request_line", "allowed", "seconds"),
    [
        (f"GET {STOCK}", 1000, 60),
        (f"POST {OURS}", 100, 60),
        ("DELETE /api/v1/platform/webhooks/x", 50, 60),
        ("POST /api/v1/analytics/query", 100, 3600),
        ("PATCH /api/v1/dags?dag_id_pattern=nothing", 10, 60),
    ],
)
def test_the_limits_of_the_reference_are_exact(
    call_committed: Call, clock: Callable[[float], None], request_line: str, allowed: int, seconds: int
) -> None:
    """The allowed number passes, the next request is refused, and all are allowed again after the window."""
    method, path = request_line.split()

    def ask() -> Any:
        return call_committed(method, path, json={"is_paused": True} if method == "PATCH" else {})

    for number in range(allowed):
        answer = ask()
        assert answer.status != 429
        assert left(answer) == allowed - number - 1
    refused = ask()
    assert (refused.status, refused.json["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    clock(seconds)
    assert ask().status == answer.status


@pytest.fixture
def call_committed(call_anonymously: Call, committed_key: Callable[[str], str], limit: Limit) -> Call:
    """Call with an administrator's committed key under the limits of the reference."""
    limit()
    headers = {"X-API-Key": committed_key("admin")}
    return lambda method, path, **options: call_anonymously(method, path, headers=headers, **options)


def test_the_default_settings_match_the_reference(app: Any) -> None:
    fields = RateLimitSettings.model_fields
    given = {
        rate.value: fields[f"rate_limit_{rate.value}"].default
        for rate in RequestClass
        if rate is not RequestClass.FREE
    }
    assert given == {
        "read": "1000/minute",
        "write": "100/minute",
        "delete": "50/minute",
        "query": "100/hour",
        "bulk": "10/minute",
    }


# --- the classes ---


def test_a_list_by_post_counts_as_a_read(call: Call, limit: Limit) -> None:
    limit(read="4/minute")
    for path in ("/api/v1/dags/~/dagRuns/list", "/api/v1/dags/~/dagRuns/~/taskInstances/list"):
        assert call("POST", path, json={}).headers["X-RateLimit-Limit"] == "4"


def test_every_stock_operation_of_the_table_exists(app: Any) -> None:
    """A new version of Airflow may rename one."""
    from airflow_platform_plugin.auth import airflow_operations

    names = {
        airflow_operations.operation_id(rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("/api/v1.")
    }
    assert set(request_class.STOCK) <= names


def test_classes_are_counted_separately(call: Call, limit: Limit) -> None:
    limit(read="2/minute", write="2/minute")
    call("GET", OURS)
    assert left(call("POST", OURS, json={})) == 1
    assert left(call("GET", STOCK)) == 0


def test_a_request_for_an_unknown_path_is_counted(call: Call, limit: Limit) -> None:
    limit(read="2/minute")
    answers = [call("GET", "/api/v1/no/such/thing") for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 429]
    assert answers[-1].json["error"]["code"] == "RATE_LIMIT_EXCEEDED"


def test_pages_of_the_user_interface_are_not_limited(call_anonymously: Call, limit: Limit) -> None:
    limit(read="0/minute")
    assert call_anonymously("GET", "/health").status == 200
    assert "X-RateLimit-Limit" not in call_anonymously("GET", "/login/").headers


# --- the response ---


def test_a_refusal_has_the_format_of_the_endpoints_errors(call: Call, limit: Limit) -> None:
    """The platform's have the envelope; stock ones are problems (RFC 9457) with the ``error`` object."""
    limit(read="0/minute")
    for path, more in ((OURS, set()), (STOCK, {"type", "title", "status", "detail"})):
        refused = call("GET", path)
        assert refused.status == 429
        assert set(refused.json) == {"error"} | more
        details = refused.json["error"]["details"]
        assert details["retry_after"] == int(refused.headers["Retry-After"]) > 0
        assert (details["class"], details["limit"], details["window_seconds"]) == ("read", 0, 60)
        assert refused.headers["X-Request-ID"] == refused.json["error"]["request_id"]
        json_type = "application/problem+json" if more else "application/json"
        assert refused.headers["Content-Type"] == json_type


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", OURS), ("GET", STOCK), ("GET", "/api/v1/dags/nope"), ("POST", OURS), ("GET", "/api/v1/nothing")],
)
def test_every_response_has_the_headers(call: Call, limit: Limit, method: str, path: str) -> None:
    """Success and failure, the platform's endpoints and stock ones."""
    limit()
    headers = call(method, path, json={} if method == "POST" else None).headers
    name, amount = ("read", 1000) if method == "GET" else ("write", 100)
    assert headers["X-RateLimit-Limit"] == str(amount)
    assert headers["X-RateLimit-Remaining"] == str(amount - 1)
    assert headers["X-RateLimit-Reset"] == "1800000060"
    assert headers["RateLimit-Policy"] == f'"{name}";q={amount};w=60'
    assert headers["RateLimit"].startswith(f'"{name}";r={amount - 1};t=')


def test_several_limits_of_a_class_apply_together(
    call: Call, limit: Limit, clock: Callable[[float], None]
) -> None:
    """A request that the short one refuses does not count against the long one."""
    limit(read="2/minute; 3/hour")
    assert [call("GET", STOCK).status for _ in range(5)] == [200, 200, 429, 429, 429]
    clock(60)
    assert [call("GET", STOCK).status for _ in range(2)] == [200, 429]


# --- subjects ---


def test_each_key_has_its_own_count(
    call_anonymously: Call, make_key: Callable[[str], str], limit: Limit
) -> None:
    """Two keys of one user at one address are counted separately."""
    limit(read="1/minute")
    headers = [{"X-API-Key": make_key("admin")} for _ in range(2)]
    assert [call_anonymously("GET", STOCK, headers=each).status for each in headers] == [200, 200]
    assert [call_anonymously("GET", STOCK, headers=each).status for each in headers] == [429, 429]


def test_a_request_that_scopes_refuse_is_counted_for_the_key(
    call_anonymously: Call, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """On a stock endpoint it costs the key, and not the address."""
    from airflow_platform_plugin.auth import service

    limit(read="2/minute")
    _, key = service.issue(session, name="k", user_id=user_id("admin"), scopes=["pools:read"])
    narrow = {"headers": {"X-API-Key": key}}
    answers = [call_anonymously("GET", "/api/v1/dags", **narrow) for _ in range(3)]
    assert [answer.status for answer in answers] == [403, 403, 429]
    assert call_anonymously("GET", STOCK).status == 200


def test_wrong_keys_are_counted_for_the_address(call_anonymously: Call, call: Call, limit: Limit) -> None:
    """Guessing is limited; a caller with a correct key at the same address is not."""
    limit(read="2/minute")
    assert call("GET", STOCK).status == 200
    guesses = [
        call_anonymously("GET", STOCK, headers={"X-API-Key": str(key_format.generate())}) for _ in range(3)
    ]
    assert [guess.status for guess in guesses] == [401, 401, 429]
    assert call("GET", STOCK).status == 200


def test_unknown_callers_are_counted_for_the_address(call_anonymously: Call, limit: Limit) -> None:
    """An IPv6 /64 is one address, since a customer of a provider has one."""
    limit(read="1/minute")

    def get(address: str) -> int:
        status: int = call_anonymously("GET", STOCK, environ_base={"REMOTE_ADDR": address}).status
        return status

    assert [get("192.0.2.1"), get("192.0.2.2"), get("192.0.2.1")] == [200, 200, 429]
    assert [get("2001:db8::1"), get("2001:db8:0:1::1"), get("2001:db8::2")] == [200, 200, 429]
    assert get("::ffff:192.0.2.1") == 429
    assert [get("unix:"), get("unix:")] == [200, 429]


@pytest.fixture
def basic(app: Any, call_anonymously: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call with a name and password, and configure the application for basic authentication."""
    from airflow.providers.fab.auth_manager.api.auth.backend import basic_auth

    monkeypatch.setattr(app, "api_auth", [*app.api_auth, CountingBackend(basic_auth)])

    def request(name: str, password: str, path: str = STOCK, **options: Any) -> Any:
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", **options.pop("headers", {})}
        return call_anonymously("GET", path, headers=headers, **options)

    return request


def test_a_user_with_a_password_is_counted_for_the_user(basic: Call, limit: Limit) -> None:
    """From any address, on the platform's endpoints and stock ones, exactly: the next request is refused."""
    limit(read="3/minute")
    pools = "/api/v1/pools"
    answers = [
        basic("admin", "admin", pools, environ_base={"REMOTE_ADDR": "192.0.2.1"}),
        basic("admin", "admin", OURS, environ_base={"REMOTE_ADDR": "192.0.2.2"}),
        basic("admin", "admin", pools, environ_base={"REMOTE_ADDR": "192.0.2.3"}),
    ]
    assert [(answer.status, left(answer)) for answer in answers] == [(200, 2), (200, 1), (200, 0)]
    for path, more in ((OURS, set()), (pools, {"type", "title", "status", "detail"})):
        refused = basic("admin", "admin", path)
        assert (refused.status, set(refused.json)) == (429, {"error"} | more)
        assert int(refused.headers["Retry-After"]) > 0
    assert basic("viewer", "viewer", pools).status == 200


def test_a_stranger_cannot_use_up_another_users_limit(basic: Call, limit: Limit) -> None:
    limit(read="2/minute")
    strangers = {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}}
    guesses = [basic("admin", "wrong", "/api/v1/pools", **strangers) for _ in range(4)]
    assert [guess.status for guess in guesses] == [401, 401, 429, 429]
    assert left(basic("admin", "admin", "/api/v1/pools")) == 1


def test_passwords_from_an_exhausted_address_are_not_checked(
    basic: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a correct password is refused: a later refusal would not stop the guessing."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    limit(read="2/minute")
    for _ in range(2):
        basic("admin", "wrong", "/api/v1/pools")

    def fail(*_: Any) -> None:
        raise AssertionError("a password was looked at")

    monkeypatch.setattr(FabAirflowSecurityManagerOverride, "auth_user_db", fail)
    assert basic("admin", "admin", "/api/v1/pools").status == 429


def test_a_program_with_a_session_and_a_password_is_not_a_browser(
    basic: Call, browser: Any, limit: Limit
) -> None:
    """Airflow gives a session to every client of basic authentication."""
    limit(read="1/minute")
    cookie = browser.get_cookie("session").value
    headers = {"Cookie": f"session={cookie}"}
    assert [basic("admin", "admin", "/api/v1/pools", headers=headers).status for _ in range(2)] == [200, 429]


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """Return a client that is logged in as the administrator; once, since Airflow limits logins."""
    return log_in(app, "admin")


def test_browsers_are_exempt(browser: Any, limit: Limit) -> None:
    """On the platform's endpoints and on stock ones; the usage endpoint says so."""
    limit(read="1/minute")
    for path in (STOCK, OURS, "/api/v1/pools", STOCK):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "X-RateLimit-Limit" not in answer.headers
    own = browser.get(OWN).get_json()
    assert own == {"enforced": False, "counted_by": None, "id": "admin", "limits": [], "user_limits": []}


def test_browsers_are_limited_if_the_setting_is_on(
    browser: Any, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(read="2/minute")
    set_options(monkeypatch, rate_limit_browsers=True)
    assert [browser.get(path).status_code for path in (STOCK, OURS, STOCK)] == [200, 200, 429]


def test_an_invalid_session_cookie_is_not_a_browser(call_anonymously: Call, limit: Limit) -> None:
    limit(read="1/minute")
    forged = {"Cookie": "session=made-up; remember_token=1|x"}
    assert [call_anonymously("GET", STOCK, headers=forged).status for _ in range(2)] == [200, 429]


# --- usage ---


def test_a_caller_can_read_its_own_usage_for_free(
    call_anonymously: Call, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """With any scopes of the key, and when nothing is left."""
    from airflow_platform_plugin.auth import service

    limit(read="1/minute")
    row, key = service.issue(session, name="k", user_id=user_id("viewer"), scopes=["pools:read"])
    narrow = {"headers": {"X-API-Key": key}}
    for remaining in (1, 0):
        for _ in range(2):
            own = call_anonymously("GET", OWN, **narrow)
            assert own.status == 200
            assert (left(own), own.json["limits"][0]["remaining"]) == (remaining, remaining)
        last = call_anonymously("GET", "/api/v1/pools", **narrow)
    assert last.status == 429
    assert (own.json["enforced"], own.json["counted_by"], own.json["id"]) == (True, "credential", row.id)
    assert own.json["limits"][0] == {
        "class": "read",
        "limit": 1,
        "window_seconds": 60,
        "remaining": 0,
        "reset": 1_800_000_060,
    }
    assert [entry["class"] for entry in own.json["limits"]] == ["read", "write", "delete", "query", "bulk"]
    assert [(entry["class"], entry["limit"]) for entry in own.json["user_limits"]] == [
        ("query", 500),
        ("bulk", 50),
    ]


def test_a_users_usage_is_the_users_own(basic: Call, limit: Limit) -> None:
    limit()
    basic("viewer", "viewer", "/api/v1/pools")
    own = basic("viewer", "viewer", OWN).json
    assert (own["counted_by"], own["id"], own["limits"][0]["remaining"]) == ("user", "viewer", 999)


def test_reading_the_usage_without_credentials_is_counted_for_the_address(
    call_anonymously: Call, limit: Limit
) -> None:
    limit(read="2/minute")
    assert [call_anonymously("GET", OWN).status for _ in range(3)] == [401, 401, 429]


# --- failures ---


def test_a_completed_change_is_not_refused_afterwards(
    app: Any, call_anonymously: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two simultaneous requests of the public role, one that changed something gets its own response."""
    limit(delete="0/minute", read="0/minute")
    monkeypatch.setattr(request_counter.RequestCounter, "refuse_exhausted", lambda *_: None)
    monkeypatch.setitem(app.view_functions, "platform_tenants.delete_tenant", lambda tenant_id: ("", 204))  # noqa: ARG005 - the path's
    assert call_anonymously("DELETE", f"{OURS}/x").status == 204
    assert call_anonymously("GET", STOCK).status == 429


@pytest.mark.parametrize("step", ["credential", "address", "browser"])
def test_an_exception_in_the_limiter_lets_requests_pass(
    call: Call, call_anonymously: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    limit()

    def fail() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(request_counter, step, fail)
    assert call("GET", STOCK).status == 200
    assert call_anonymously("GET", STOCK).status == 200


# --- a user with many credentials ---


def test_a_users_keys_and_browser_share_the_users_limit(
    app: Any, committed_key: Callable[[str], str], browser: Any, limit: Limit
) -> None:
    """Only for queries and bulk requests; each key may have requests left. The browser counts too."""
    limit(user={"bulk": "3/minute", "query": "2/minute"})
    body = {"is_paused": True}
    programs = [client(app, {"X-API-Key": committed_key("admin")}) for _ in range(3)]
    path = "/api/v1/dags?dag_id_pattern=nothing-like-it"
    answers = [program("PATCH", path, json=body) for program in programs]
    assert [answer.status for answer in answers] == [200] * 3
    assert [left(answer) for answer in answers] == [2, 1, 0]
    refused = programs[0]("PATCH", path, json=body)
    assert (refused.status, refused.json["error"]["details"]["class"]) == (429, "user-bulk")
    assert browser.patch(path, json=body).status_code == 429
    assert client(app, {"X-API-Key": committed_key("viewer")})("PATCH", path, json=body).status != 429
    assert [program("GET", "/api/v1/pools").status for program in programs] == [200] * 3


def test_a_browser_is_counted_only_for_queries_and_bulk_requests(browser: Any, limit: Limit) -> None:
    limit(user={"query": "2/minute"}, read="1/minute")
    query = "/api/v1/analytics/query"
    assert [browser.post(query, json={}).status_code for _ in range(3)] == [400, 400, 429]
    assert [browser.get("/api/v1/pools").status_code for _ in range(2)] == [200, 200]


def test_a_keys_own_limit_replaces_the_users_limit(
    app: Any, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """An administrator has set it."""
    limit(user={"query": "1/minute"})
    own = {"query": "3/minute"}
    _, key = service.issue(session, name="k", user_id=user_id("admin"), rate_limits=own)
    program = client(app, {"X-API-Key": key})
    statuses = [program("POST", "/api/v1/analytics/query", json={}).status for _ in range(4)]
    assert statuses == [400, 400, 400, 429]


def test_the_users_limit_does_not_change_the_limit_of_a_key(call: Call, limit: Limit) -> None:
    """A single key reaches its own limit first, and the response reports that limit."""
    limit()
    answers = [call("POST", "/api/v1/analytics/query", json={}) for _ in range(101)]
    assert [answer.status for answer in answers] == [400] * 100 + [429]
    assert (answers[0].headers["X-RateLimit-Limit"], answers[-1].json["error"]["details"]["class"]) == (
        "100",
        "query",
    )


def test_a_user_named_like_a_keys_id_is_counted_separately(app: Any) -> None:
    """Subjects have a kind, and ids are separated."""
    principal = Principal("bob", None, Credential("x"))
    with app.test_request_context():
        request_state.current().principal = principal
        assert request_counter.credential() == ("credential", "x/bob")
    assert len({Subject("user", "x/bob"), Subject("address", "x/bob"), Subject("credential", "x/bob")}) == 3


# --- wrong keys and passwords ---


def test_wrong_passwords_are_limited_and_known_correct_ones_pass(
    basic: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing a password takes half a second. A user who was authenticated from the address still is."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    limit(failed="2/minute")
    pools = "/api/v1/pools"
    assert basic("viewer", "viewer", pools).status == 200
    guesses = [basic("admin", "wrong", pools).status for _ in range(3)]
    assert guesses[2] == 429
    assert 429 not in guesses[:2]
    looked_at = []
    original = FabAirflowSecurityManagerOverride.auth_user_db
    monkeypatch.setattr(
        FabAirflowSecurityManagerOverride,
        "auth_user_db",
        lambda *asked: looked_at.append(asked[1]) or original(*asked),
    )
    assert basic("viewer", "viewer", pools).status == 200
    refused = basic("admin", "admin", pools)
    assert (refused.status, refused.json["error"]["details"]["class"]) == (429, "failed")
    assert basic("viewer", "wrong", pools).status == 429
    assert basic("admin", "admin", pools, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status == 200
    assert looked_at == ["viewer", "admin"]


def test_wrong_keys_are_limited_and_correct_ones_always_pass(
    call_anonymously: Call, call: Call, limit: Limit
) -> None:
    limit(failed="2/minute")
    for _ in range(2):
        assert call_anonymously("GET", STOCK, headers={"X-API-Key": str(key_format.generate())}).status == 401
    assert call_anonymously("GET", STOCK, headers={"X-API-Key": "nonsense"}).status == 429
    bearer = {"Authorization": f"Bearer {key_format.generate(key_format.ACCESS_TOKEN)}"}
    assert call_anonymously("GET", OURS, headers=bearer).status == 429
    assert [call("GET", STOCK).status for _ in range(3)] == [200] * 3


def test_a_request_without_credentials_is_not_a_failure(call_anonymously: Call, limit: Limit) -> None:
    """Credentials at an endpoint that needs none are not a failure either."""
    limit(failed="1/minute")
    for _ in range(3):
        assert call_anonymously("GET", OURS).status == 401
        assert call_anonymously("GET", "/api/v1/version", headers={"Authorization": "x y"}).status == 200


# --- /oauth ---


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
def test_wrong_client_secrets_are_limited(app: Any, limit: Limit, path: str) -> None:
    """For each address, with any client, in the format of the protocol."""
    limit(failed="2/minute")

    def guess(name: str, address: str = "127.0.0.1") -> Any:
        return app.test_client().post(
            f"/oauth/{path}",
            data={"grant_type": "client_credentials", "token": "x"},
            auth=(name, "wrong"),
            environ_base={"REMOTE_ADDR": address},
        )

    answers = [guess(f"client{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert answers[2].get_json()["error"] == "temporarily_unavailable"
    assert int(answers[2].headers["Retry-After"]) > 0
    assert answers[2].headers["Cache-Control"] == "no-store"
    assert guess("client1", "192.0.2.1").status_code == 401


def test_an_oauth_client_is_counted_at_each_address_separately(app: Any, limit: Limit) -> None:
    """Its id is public: strangers cannot use up its limit at other addresses."""
    limit(write="2/minute")

    def ask(name: str, address: str) -> int:
        form = {"client_id": name, "token": "unknown"}
        answer = app.test_client().post("/oauth/revoke", data=form, environ_base={"REMOTE_ADDR": address})
        return int(answer.status_code)

    assert [ask("airflow-cli", "192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert ask("airflow-cli", "192.0.2.2") == 200


def test_a_client_with_a_correct_secret_at_an_address_is_not_locked_out_there(app: Any, limit: Limit) -> None:
    limit(failed="1/minute")

    def revoke(name: str) -> int:
        return int(
            app.test_client().post("/oauth/revoke", data={"client_id": name, "token": "x"}).status_code
        )

    assert [revoke("airflow-cli"), revoke("a"), revoke("b"), revoke("c")] == [200, 400, 429, 429]
    assert revoke("airflow-cli") == 200
