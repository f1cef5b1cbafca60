"""Limits on the application: who is counted by what, and what they are told."""

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
def test_the_table_of_the_reference_holds_exactly(
    call_committed: Call, clock: Callable[[float], None], request_line: str, allowed: int, seconds: int
) -> None:
    """As many pass, the next one is refused, and after the window all are there again."""
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
    """Call with an administrator's key within the limits of the reference; stock endpoints may write."""
    limit()
    headers = {"X-API-Key": committed_key("admin")}
    return lambda method, path, **options: call_anonymously(method, path, headers=headers, **options)


def test_the_settings_say_what_the_reference_says(app: Any) -> None:
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


def test_lists_by_post_are_reads(call: Call, limit: Limit) -> None:
    limit(read="4/minute")
    for path in ("/api/v1/dags/~/dagRuns/list", "/api/v1/dags/~/dagRuns/~/taskInstances/list"):
        assert call("POST", path, json={}).headers["X-RateLimit-Limit"] == "4"


def test_every_stock_operation_of_the_table_exists(app: Any) -> None:
    """A new version of Airflow may call one differently."""
    from airflow_platform_plugin.auth import airflow_operations

    names = {
        airflow_operations.operation_id(rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("/api/v1.")
    }
    assert set(request_class.STOCK) <= names


def test_classes_are_counted_apart(call: Call, limit: Limit) -> None:
    limit(read="2/minute", write="2/minute")
    call("GET", OURS)
    assert left(call("POST", OURS, json={})) == 1
    assert left(call("GET", STOCK)) == 0


def test_what_is_not_there_counts_too(call: Call, limit: Limit) -> None:
    limit(read="2/minute")
    answers = [call("GET", "/api/v1/no/such/thing") for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 429]
    assert answers[-1].json["error"]["code"] == "RATE_LIMIT_EXCEEDED"


def test_pages_of_the_user_interface_are_not_limited(call_anonymously: Call, limit: Limit) -> None:
    limit(read="0/minute")
    assert call_anonymously("GET", "/health").status == 200
    assert "X-RateLimit-Limit" not in call_anonymously("GET", "/login/").headers


# --- the answer ---


def test_a_refusal_has_the_form_of_the_endpoints_errors(call: Call, limit: Limit) -> None:
    """Ours in the envelope; a stock endpoint's is a problem (RFC 9457) with the envelope's object in it."""
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
def test_every_answer_tells_the_limit(call: Call, limit: Limit, method: str, path: str) -> None:
    """Success and failure, ours and stock."""
    limit()
    headers = call(method, path, json={} if method == "POST" else None).headers
    name, amount = ("read", 1000) if method == "GET" else ("write", 100)
    assert headers["X-RateLimit-Limit"] == str(amount)
    assert headers["X-RateLimit-Remaining"] == str(amount - 1)
    assert headers["X-RateLimit-Reset"] == "1800000060"
    assert headers["RateLimit-Policy"] == f'"{name}";q={amount};w=60'
    assert headers["RateLimit"].startswith(f'"{name}";r={amount - 1};t=')


def test_several_limits_of_a_class_hold_together(
    call: Call, limit: Limit, clock: Callable[[float], None]
) -> None:
    """What the short one refuses is not counted against the long one."""
    limit(read="2/minute; 3/hour")
    assert [call("GET", STOCK).status for _ in range(5)] == [200, 200, 429, 429, 429]
    clock(60)
    assert [call("GET", STOCK).status for _ in range(2)] == [200, 429]


# --- whose request it is ---


def test_each_key_has_its_own_count(
    call_anonymously: Call, make_key: Callable[[str], str], limit: Limit
) -> None:
    """Two keys of one user, from one address."""
    limit(read="1/minute")
    headers = [{"X-API-Key": make_key("admin")} for _ in range(2)]
    assert [call_anonymously("GET", STOCK, headers=each).status for each in headers] == [200, 200]
    assert [call_anonymously("GET", STOCK, headers=each).status for each in headers] == [429, 429]


def test_a_key_that_may_not_is_counted_by_the_key(
    call_anonymously: Call, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """A request that its scopes refuse, on a stock endpoint, costs the key and not the address."""
    from airflow_platform_plugin.auth import service

    limit(read="2/minute")
    _, key = service.issue(session, name="k", user_id=user_id("admin"), scopes=["pools:read"])
    narrow = {"headers": {"X-API-Key": key}}
    answers = [call_anonymously("GET", "/api/v1/dags", **narrow) for _ in range(3)]
    assert [answer.status for answer in answers] == [403, 403, 429]
    assert call_anonymously("GET", STOCK).status == 200


def test_wrong_keys_count_by_the_address(call_anonymously: Call, call: Call, limit: Limit) -> None:
    """Guessing is limited, and whoever has a right key at the same address is not."""
    limit(read="2/minute")
    assert call("GET", STOCK).status == 200
    guesses = [
        call_anonymously("GET", STOCK, headers={"X-API-Key": str(key_format.generate())}) for _ in range(3)
    ]
    assert [guess.status for guess in guesses] == [401, 401, 429]
    assert call("GET", STOCK).status == 200


def test_unknown_callers_count_by_the_address(call_anonymously: Call, limit: Limit) -> None:
    """Of IPv6 a whole /64 is one: that is what a customer of a provider has."""
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
    """A function that calls with a name and password, which the application is configured to take."""
    from airflow.providers.fab.auth_manager.api.auth.backend import basic_auth

    monkeypatch.setattr(app, "api_auth", [*app.api_auth, CountingBackend(basic_auth)])

    def request(name: str, password: str, path: str = STOCK, **options: Any) -> Any:
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", **options.pop("headers", {})}
        return call_anonymously("GET", path, headers=headers, **options)

    return request


def test_a_user_with_a_password_counts_by_the_user(basic: Call, limit: Limit) -> None:
    """Wherever it comes from, on ours and on stock endpoints, and exactly: the next one is refused."""
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


def test_nobody_uses_up_anothers_limit_by_naming_them(basic: Call, limit: Limit) -> None:
    limit(read="2/minute")
    strangers = {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}}
    guesses = [basic("admin", "wrong", "/api/v1/pools", **strangers) for _ in range(4)]
    assert [guess.status for guess in guesses] == [401, 401, 429, 429]
    assert left(basic("admin", "admin", "/api/v1/pools")) == 1


def test_once_an_addresss_limit_is_used_up_its_passwords_are_not_looked_at(
    basic: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the right one: the guess that hits would be worth nothing to refuse afterwards."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    limit(read="2/minute")
    for _ in range(2):
        basic("admin", "wrong", "/api/v1/pools")

    def fail(*_: Any) -> None:
        raise AssertionError("a password was looked at")

    monkeypatch.setattr(FabAirflowSecurityManagerOverride, "auth_user_db", fail)
    assert basic("admin", "admin", "/api/v1/pools").status == 429


def test_a_program_that_sends_a_session_beside_its_password_is_no_browser(
    basic: Call, browser: Any, limit: Limit
) -> None:
    """Airflow hands a session to whoever logs in by basic authentication."""
    limit(read="1/minute")
    cookie = browser.get_cookie("session").value
    headers = {"Cookie": f"session={cookie}"}
    assert [basic("admin", "admin", "/api/v1/pools", headers=headers).status for _ in range(2)] == [200, 429]


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """A client that is logged in as the administrator; once, for logins are limited by Airflow itself."""
    return log_in(app, "admin")


def test_browsers_are_exempt(browser: Any, limit: Limit) -> None:
    """On ours and on stock endpoints; the page that shows limits says so."""
    limit(read="1/minute")
    for path in (STOCK, OURS, "/api/v1/pools", STOCK):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "X-RateLimit-Limit" not in answer.headers
    own = browser.get(OWN).get_json()
    assert own == {"enforced": False, "counted_by": None, "id": "admin", "limits": [], "user_limits": []}


def test_browsers_are_limited_where_the_settings_say_so(
    browser: Any, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(read="2/minute")
    set_options(monkeypatch, rate_limit_browsers=True)
    assert [browser.get(path).status_code for path in (STOCK, OURS, STOCK)] == [200, 200, 429]


def test_a_cookie_that_is_no_session_is_no_browser(call_anonymously: Call, limit: Limit) -> None:
    limit(read="1/minute")
    forged = {"Cookie": "session=made-up; remember_token=1|x"}
    assert [call_anonymously("GET", STOCK, headers=forged).status for _ in range(2)] == [200, 429]


# --- one's own state ---


def test_everybody_sees_their_own_state_and_that_costs_nothing(
    call_anonymously: Call, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """Whatever the key's scopes, and when nothing is left."""
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


def test_a_users_state_is_the_users(basic: Call, limit: Limit) -> None:
    limit()
    basic("viewer", "viewer", "/api/v1/pools")
    own = basic("viewer", "viewer", OWN).json
    assert (own["counted_by"], own["id"], own["limits"][0]["remaining"]) == ("user", "viewer", 999)


def test_asking_for_the_state_without_credentials_costs_the_address(
    call_anonymously: Call, limit: Limit
) -> None:
    limit(read="2/minute")
    assert [call_anonymously("GET", OWN).status for _ in range(3)] == [401, 401, 429]


# --- what must never happen ---


def test_what_has_been_done_is_not_refused_afterwards(
    app: Any, call_anonymously: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests of a public role at the same moment: a change that was made is answered as made."""
    limit(delete="0/minute", read="0/minute")
    monkeypatch.setattr(request_counter.RequestCounter, "refuse_exhausted", lambda *_: None)
    monkeypatch.setitem(app.view_functions, "platform_tenants.delete_tenant", lambda tenant_id: ("", 204))  # noqa: ARG005 - the path's
    assert call_anonymously("DELETE", f"{OURS}/x").status == 204
    assert call_anonymously("GET", STOCK).status == 429


@pytest.mark.parametrize("step", ["credential", "address", "browser"])
def test_a_fault_of_the_limiter_lets_requests_pass(
    call: Call, call_anonymously: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    limit()

    def fail() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(request_counter, step, fail)
    assert call("GET", STOCK).status == 200
    assert call_anonymously("GET", STOCK).status == 200


# --- a user with many credentials ---


def test_a_users_keys_and_browser_share_the_users_own_limit(
    app: Any, committed_key: Callable[[str], str], browser: Any, limit: Limit
) -> None:
    """For queries and bulk requests alone, whatever each key has left; the browser counts too."""
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


def test_a_browser_counts_for_queries_though_it_is_exempt_otherwise(browser: Any, limit: Limit) -> None:
    limit(user={"query": "2/minute"}, read="1/minute")
    query = "/api/v1/analytics/query"
    assert [browser.post(query, json={}).status_code for _ in range(3)] == [400, 400, 429]
    assert [browser.get("/api/v1/pools").status_code for _ in range(2)] == [200, 200]


def test_a_key_with_a_limit_of_its_own_has_that_instead_of_the_users(
    app: Any, session: Any, user_id: Callable[[str], int], limit: Limit
) -> None:
    """An administrator has set it."""
    limit(user={"query": "1/minute"})
    own = {"query": "3/minute"}
    _, key = service.issue(session, name="k", user_id=user_id("admin"), rate_limits=own)
    program = client(app, {"X-API-Key": key})
    statuses = [program("POST", "/api/v1/analytics/query", json={}).status for _ in range(4)]
    assert statuses == [400, 400, 400, 429]


def test_the_users_limit_leaves_each_keys_as_the_reference_has_it(call: Call, limit: Limit) -> None:
    """One key alone meets its own limit first, and is told that."""
    limit()
    answers = [call("POST", "/api/v1/analytics/query", json={}) for _ in range(101)]
    assert [answer.status for answer in answers] == [400] * 100 + [429]
    assert (answers[0].headers["X-RateLimit-Limit"], answers[-1].json["error"]["details"]["class"]) == (
        "100",
        "query",
    )


def test_a_user_whose_name_is_a_keys_id_shares_nothing_with_it(app: Any) -> None:
    """Subjects are of a kind, and an id ends where it ends."""
    principal = Principal("bob", None, Credential("x"))
    with app.test_request_context():
        request_state.current().principal = principal
        assert request_counter.credential() == ("credential", "x/bob")
    assert len({Subject("user", "x/bob"), Subject("address", "x/bob"), Subject("credential", "x/bob")}) == 3


# --- wrong keys and passwords ---


def test_wrong_passwords_are_few_and_right_ones_pass_if_they_are_known_there(
    basic: Call, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing one takes half a second; whoever has just been let in from the address still is."""
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


def test_wrong_keys_are_few_and_right_ones_always_pass(
    call_anonymously: Call, call: Call, limit: Limit
) -> None:
    limit(failed="2/minute")
    for _ in range(2):
        assert call_anonymously("GET", STOCK, headers={"X-API-Key": str(key_format.generate())}).status == 401
    assert call_anonymously("GET", STOCK, headers={"X-API-Key": "nonsense"}).status == 429
    bearer = {"Authorization": f"Bearer {key_format.generate(key_format.ACCESS_TOKEN)}"}
    assert call_anonymously("GET", OURS, headers=bearer).status == 429
    assert [call("GET", STOCK).status for _ in range(3)] == [200] * 3


def test_whoever_shows_nothing_has_failed_at_nothing(call_anonymously: Call, limit: Limit) -> None:
    """Nor whoever shows something where nobody asks for it."""
    limit(failed="1/minute")
    for _ in range(3):
        assert call_anonymously("GET", OURS).status == 401
        assert call_anonymously("GET", "/api/v1/version", headers={"Authorization": "x y"}).status == 200


# --- /oauth ---


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
def test_wrong_secrets_of_clients_are_few(app: Any, limit: Limit, path: str) -> None:
    """By address, whatever client they name; in the protocol's shape."""
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


def test_an_oauth_client_counts_at_each_address_by_itself(app: Any, limit: Limit) -> None:
    """Its name is no secret: strangers cannot use up what it has elsewhere."""
    limit(write="2/minute")

    def ask(name: str, address: str) -> int:
        form = {"client_id": name, "token": "unknown"}
        answer = app.test_client().post("/oauth/revoke", data=form, environ_base={"REMOTE_ADDR": address})
        return int(answer.status_code)

    assert [ask("airflow-cli", "192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert ask("airflow-cli", "192.0.2.2") == 200


def test_a_client_that_was_right_at_an_address_is_not_locked_out_there(app: Any, limit: Limit) -> None:
    limit(failed="1/minute")

    def revoke(name: str) -> int:
        return int(
            app.test_client().post("/oauth/revoke", data={"client_id": name, "token": "x"}).status_code
        )

    assert [revoke("airflow-cli"), revoke("a"), revoke("b"), revoke("c")] == [200, 400, 429, 429]
    assert revoke("airflow-cli") == 200
