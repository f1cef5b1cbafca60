"""Send requests to the tests' application."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def client(app: Any, headers: dict[str, str]) -> Callable[..., SimpleNamespace]:
    """A function that makes requests with those headers, each from a client without cookies.

    Each answer of our endpoints is held against the OpenAPI document.
    """
    import conformance

    def request(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
        answer = app.test_client().open(
            path, method=method, headers=headers | kwargs.pop("headers", {}), **kwargs
        )
        conformance.check(app, method, path, answer)
        return SimpleNamespace(
            status=answer.status_code,
            json=answer.get_json(silent=True),
            headers=answer.headers,
            text=answer.get_data(as_text=True),
        )

    return request
