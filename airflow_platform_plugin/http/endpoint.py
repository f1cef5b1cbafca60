"""``@endpoint``: a route as a declaration.

    @endpoint(blueprint, "POST", "/tenants", scope="tenants:write", body=TenantSchema, response=TenantSchema)
    def create_tenant(context: RequestContext) -> Tenant:
        \"\"\"Create a tenant.\"\"\"
        return service.create(context.session, context.body, by=context.principal)

authenticates, authorizes, validates, opens one transaction, calls the function and serializes its return
value. Every error becomes a response in the API's envelope, and the transaction is rolled back.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, request
from marshmallow import Schema
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import AuthenticationFailed, PreconditionFailed, ValidationFailed
from airflow_platform_plugin.core.principal import Access, Principal
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.core.types import Json, Option, Row
from airflow_platform_plugin.http import audit, idempotency, responses
from airflow_platform_plugin.http.body import Body, load_body, load_query, require_names
from airflow_platform_plugin.http.error_mapping import to_public_error
from airflow_platform_plugin.http.fields import LONGEST_NAME
from airflow_platform_plugin.http.request_state import current_principal
from airflow_platform_plugin.http.schemas import Secret


@dataclass(frozen=True)
class Endpoint:
    """The declaration of a route.

    Attributes:
        method: the HTTP method.
        rule: the path below the blueprint's prefix, as Flask writes it.
        scope: the scope that the caller needs, such as ``tenants:write``; None if any credentials will do.
        access: where the caller needs the scope; without one, everywhere.
        body: the schema of a JSON body; a pydantic model where the body is stored as it is.
        query: the schema of the query string.
        response: the schema of the return value; None where that is JSON already, or nothing.
        status: the status of success.
        session: False where the handler must not run in a transaction, such as one that runs a user's SQL.
        dags: what a credential that is limited to some DAGs may do here; nothing, unless declared.
        media_types: the media types, as well as JSON, of the ``TextResult`` that a GET may return.
        extra_statuses: the statuses that do not follow from the rest, for the OpenAPI document: 201 where
            something may be created, 404 where the body names something that may be missing.
        request_class: the class by which rate limits count it; None for the class of its method.
    """

    method: str
    rule: str
    scope: str | None
    access: Access = Access.PLATFORM
    body: Body | None = None
    query: type[Schema] | None = None
    response: type[Schema] | None = None
    status: HTTPStatus = HTTPStatus.OK
    session: bool = True
    dags: DagPolicy = DagPolicy.FORBIDDEN
    media_types: tuple[str, ...] = ()
    extra_statuses: tuple[HTTPStatus, ...] = ()
    request_class: RequestClass | None = None


@dataclass(frozen=True)
class RequestContext:
    """One request, as its handler sees it: caller, body, query, path and transaction."""

    principal: Principal
    body: Any = None
    query: Any = field(default_factory=dict)
    path: dict[str, Any] = field(default_factory=dict)
    _session: Session | None = None

    @property
    def session(self) -> Session:
        """The request's transaction.

        Raises:
            RuntimeError: the endpoint declares ``session=False``.
        """
        if self._session is None:
            raise RuntimeError("This endpoint declares session=False.")
        return self._session

    @property
    def has_session(self) -> bool:
        """Whether the request has a transaction."""
        return self._session is not None

    def require_match(self, row: Row) -> None:
        """Compare the request's ``If-Match``, if it has one, with the row's version (RFC 9110, 13.1.1).

        Raises:
            PreconditionFailed: the row was changed since the caller read it.
            ValidationFailed: the header is too long.
        """
        if len(request.headers.get("If-Match", "")) > LONGEST_NAME:  # before it is parsed
            raise ValidationFailed.of("If-Match", message=f"is longer than {LONGEST_NAME} characters")
        if request.if_match and not request.if_match.contains(str(row.row_version)):
            raise PreconditionFailed("The resource was changed since you read it; read it again.")


@dataclass(frozen=True)
class Result:
    """A handler's return value with its own status."""

    value: Any
    status: HTTPStatus


@dataclass(frozen=True)
class TextResult:
    """A handler's return value that is text of another media type than JSON."""

    content: str
    media_type: str


Handler = Callable[[RequestContext], Any]


def endpoint(
    blueprint: Blueprint, method: str, rule: str, **declared: Option
) -> Callable[[Handler], Handler]:
    """Register the decorated handler on ``blueprint``; the keywords are ``Endpoint``'s fields."""
    declaration = Endpoint(method=method, rule=rule, **declared)

    def register(handler: Handler) -> Handler:
        view = _view(declaration, handler)
        blueprint.add_url_rule(rule, handler.__name__, view, methods=[method])
        return handler

    return register


def _view(declaration: Endpoint, handler: Handler) -> Callable[..., Response]:
    @wraps(handler)
    def view(**path: str) -> Response:
        try:
            return _handle(declaration, handler, path)
        except Exception as error:  # noqa: BLE001 - every failure becomes a response
            return responses.error_response(to_public_error(error))

    view.endpoint = declaration  # type: ignore[attr-defined]  # for ``declared``
    return view


def declared(view: object) -> Endpoint | None:
    """Return the declaration of a view, or None if ``@endpoint`` did not make the view.

    Other views may have attributes of any name, so the type decides. A declared view checks the scope itself.
    """
    found = getattr(view, "endpoint", None)
    return found if isinstance(found, Endpoint) else None


def _handle(declaration: Endpoint, handler: Handler, path: dict[str, str]) -> Response:
    principal = authenticate()
    if declaration.scope is not None:
        principal.require(declaration.scope, declaration.access, dags=declaration.dags)
    require_names(path)
    body = load_body(declaration.body) if declaration.body else None
    query = load_query(declaration.query) if declaration.query else {}
    if not declaration.session:
        airflow_compat.web.end_request_transaction()
    with db.transaction() if declaration.session else nullcontext() as session:
        if session is None:
            return _respond(*_call(declaration, handler, RequestContext(principal, body, query, path)))
        posted = declaration.method == "POST"
        claim = idempotency.claim_key(session, principal, declaration.scope) if posted else None
        if claim is not None and claim.stored is not None:
            response = _respond(claim.stored.dumped, HTTPStatus(claim.stored.status), claim.stored.version)
            response.headers[idempotency.REPLAYED_HEADER] = "true"
            return response
        trail = audit.AuditTrail(session)
        dumped, status, version = _call(
            declaration, handler, RequestContext(principal, body, query, path, session)
        )
        trail.write(principal, handler.__name__)
        if claim is not None:
            sent = request.get_json() if declaration.body else None
            rights = idempotency.collect_rights(principal, declaration.scope, path, sent, dumped)
            answer = idempotency.StoredAnswer(int(status), dumped, version)
            claim.store(session, answer, rights=rights, secret=_has_secret(declaration, dumped))
    return _respond(dumped, status, version)


def _has_secret(declaration: Endpoint, dumped: Json) -> bool:
    """Return whether a response has a secret that is shown once."""
    declared = declaration.response().fields if declaration.response else {}
    return any(isinstance(each, Secret) and dumped.get(name) for name, each in declared.items())


def _call(
    declaration: Endpoint, handler: Handler, context: RequestContext
) -> tuple[Any, HTTPStatus, int | None]:
    """Return the handler's result, ready for JSON, the status, and the object's version if it has one."""
    result, status = handler(context), declaration.status
    if isinstance(result, Result):
        result, status = result.value, result.status
    if context.has_session:
        context.session.flush()  # a violated constraint must fail before the response is built
    # Inside the transaction: a row's columns may still have to be read.
    dumped = declaration.response().dump(result) if declaration.response else result
    return dumped, status, getattr(result, "row_version", None)


def _respond(dumped: Json, status: HTTPStatus, version: int | None = None) -> Response:
    if isinstance(dumped, TextResult):
        response = Response(dumped.content, content_type=dumped.media_type)
    else:
        response = _json(dumped) if status != HTTPStatus.NO_CONTENT else Response()
    response.status_code = status
    if version is not None:
        response.set_etag(str(version))
    return response


def _json(dumped: Json) -> Response:
    """Return JSON with names in the handler's order, such as the order of a query's columns."""
    return Response(f"{current_app.json.dumps(dumped, sort_keys=False)}\n", mimetype="application/json")


def authenticate() -> Principal:
    """Return the caller, authenticated by an API key or by one of ``[api] auth_backends``.

    Raises:
        AuthenticationFailed: there is no caller. Airflow's public role is not one.
    """
    if (principal := current_principal()) is not None:
        return principal
    for backend in current_app.api_auth:  # type: ignore[attr-defined]
        if backend.requires_authentication(Response)().status_code == HTTPStatus.OK:
            user = airflow_compat.users.request_user()
            if user is not None:
                return Principal(username=user.username, user=user)
    raise AuthenticationFailed("Invalid or missing credentials.")
