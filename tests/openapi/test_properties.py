"""Generated requests to the real application: every response is one that the document describes.

schemathesis generates them from the document. No response is a 500 or has an undocumented status or body, no
invalid request is accepted, and no request without a valid key.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck

CONFIG = schemathesis.Config.from_path(Path(__file__).with_name("schemathesis.toml"))

# Valid values where a schema does not guarantee them, so that chains of requests succeed.
PLAUSIBLE: dict[str, dict[str, Any]] = {
    "create_api_key": {"owner": "admin", "tenant_id": None, "expires_at": None, "allowed_networks": None},
    "create_webhook": {"url": "https://example.com", "headers": {}},
    "register_datakit": {"configuration": {}},
    "deploy_datakit": {
        "namespace": "default",
        "schedule": "@daily",
        "configuration": {},
        "notifications": {},
    },
}


@pytest.fixture
def api(
    app: Any, make_key: Callable[[str], str], warehouse: Path, request: pytest.FixtureRequest
) -> schemathesis.BaseSchema:
    """Return the document's schema, with an administrator's key."""
    # schemathesis 4.32 looks for what pytest 9.2 no longer has.
    request.node._nodeid = request.node.nodeid
    headers = {"X-API-Key": make_key("admin")}
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/platform/openapi.json", app, config=CONFIG, headers=headers
    )

    @schema.auth()
    class Key:
        def get(self, *_: Any) -> dict[str, str]:
            return headers

        def set(self, case: schemathesis.Case, data: dict[str, str], _: Any) -> None:
            case.headers.update(data)

    return schema


@schemathesis.pytest.from_fixture("api").parametrize()
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_response_is_as_documented(case: schemathesis.Case) -> None:
    # The document's patterns exclude the words that are paths of their own. schemathesis 4.32 loses that part
    # of a pattern where there is a maxLength, too.
    converters = case.operation.app.url_map.converters.values()
    reserved = {word for converter in converters for word in getattr(converter, "words", ())}
    hypothesis.assume(reserved.isdisjoint(map(str, (case.path_parameters or {}).values())))
    case.call_and_validate()


def test_chains_of_requests_get_documented_responses(api: schemathesis.BaseSchema, session: Any) -> None:
    """Requests follow the document's links; each chain is in its own transaction."""

    class Chain(api.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.transaction = session.connection().begin_nested()

        def teardown(self) -> None:
            self.transaction.rollback()

        def before_call(self, case: schemathesis.Case) -> None:
            if isinstance(case.body, dict):
                case.body |= PLAUSIBLE.get(case.operation.definition.raw["operationId"], {})

    Chain.run(
        settings=hypothesis.settings(
            max_examples=100,
            stateful_step_count=8,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )
