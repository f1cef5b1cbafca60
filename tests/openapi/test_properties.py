"""Made-up requests against the real application: whatever is sent, the answer is one that is documented.

schemathesis makes them from the document: none is a 500, none has a status or body that is not documented,
none that breaks the document is accepted, none without a valid key is let in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck

CONFIG = schemathesis.Config.from_path(Path(__file__).with_name("schemathesis.toml"))

# Right where no schema can say what is right, so that chains of requests come to something.
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
    """The document, and an administrator's key."""
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
def test_every_operation_answers_as_the_document_says(case: schemathesis.Case) -> None:
    # The document's patterns exclude the words that are paths of their own. schemathesis 4.32 loses that part
    # of a pattern where there is a maxLength, too.
    converters = case.operation.app.url_map.converters.values()
    reserved = {word for converter in converters for word in getattr(converter, "words", ())}
    hypothesis.assume(reserved.isdisjoint(map(str, (case.path_parameters or {}).values())))
    case.call_and_validate()


def test_what_one_request_makes_the_next_ones_find(api: schemathesis.BaseSchema, session: Any) -> None:
    """Chains of requests along the document's links, each on a database of its own."""

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
