"""``@endpoint``: a route as a declaration.

    @endpoint(blueprint, "POST", "/tenants", scope="tenants:write", body=TenantSchema, answer=TenantSchema)
    def create_tenant(call: Call) -> Tenant:
        \"\"\"Create a tenant.\"\"\"
        return service.create(call.session, call.body, by=call.principal)

authenticates, authorises, validates, opens one transaction, calls the function and serialises what it
returns. Whatever goes wrong becomes an answer in the API's envelope, and the transaction is undone.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from marshmallow import Schema
from marshmallow import ValidationError as MarshmallowError
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.errors import (
    CODES,
    AuthenticationFailed,
    Conflict,
    FieldError,
    PayloadTooLarge,
    PlatformError,
    PreconditionFailed,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http import audit, idempotency, ijson, responses
from airflow_platform_plugin.http.fields import LONGEST_NAME, Secret

log = logging.getLogger(__name__)

Body = type[Schema] | type[BaseModel]


@dataclass(frozen=True)
class Endpoint:
    """What a route declares, for the wrapper here and for whoever walks over all routes.

    Attributes:
        scope: the right the caller needs, such as ``tenants:write``; None where it is enough to be known.
        body: what a JSON body must be; a pydantic model where the body is a document kept as it is.
        query: what the query string must be.
        answer: how the returned value is serialised; None where it is ready-made JSON or nothing.
        status: the status of success.
        session: False where the handler must not sit in a transaction, such as one that runs a user's SQL.
        dags: what a credential that is limited to some DAGs may do here; nothing, unless declared.
        personal: True where everybody may, on what is their own; the handler looks at whose it is. The
            scope then counts for credentials alone, and roles need no permission.
        tenanted: True where the scope in any tenant is enough; the handler goes by ``Principal.reach``.
        text: the media types, beside JSON, of the ``Text`` that a GET may answer with the same in it.
        also: the statuses that do not follow from all this, for the OpenAPI document: 201 where there may
            be something new, 404 where the body names what may be missing.
        rate: what its requests count as against the caller's limits; None for what their method says.
    """

    method: str
    rule: str
    scope: str | None
    body: Body | None = None
    query: type[Schema] | None = None
    answer: type[Schema] | None = None
    status: HTTPStatus = HTTPStatus.OK
    session: bool = True
    dags: DagPolicy = DagPolicy.REFUSED
    personal: bool = False
    tenanted: bool = False
    text: tuple[str, ...] = ()
    also: tuple[HTTPStatus, ...] = ()
    rate: RequestClass | None = None


@dataclass(frozen=True)
class RequestContext:
    """One request, as a handler sees it."""

    principal: Principal
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    path: dict[str, Any] = field(default_factory=dict)
    _session: Session | None = None

    @property
    def session(self) -> Session:
        """The request's transaction."""
        if self._session is None:
            raise RuntimeError("This endpoint declares session=False.")
        return self._session

    @property
    def has_session(self) -> bool:
        """Whether there is one."""
        return self._session is not None

    def require_match(self, row: Any) -> None:  # noqa: ANN401 - any model with a row_version
        """Hold the request's ``If-Match``, if it has one, against the row (RFC 9110, 13.1.1).

        Raises:
            PreconditionFailed: somebody has changed the row since the caller read it.
            ValidationFailed: no version that was ever answered is as long.
        """
        if len(request.headers.get("If-Match", "")) > LONGEST_NAME:  # before it is taken apart
            raise ValidationFailed.of("If-Match", message=f"is longer than {LONGEST_NAME} characters")
        if request.if_match and not request.if_match.contains(str(row.row_version)):
            raise PreconditionFailed("It has been changed since you read it; read it again.")


@dataclass(frozen=True)
class Result:
    """A handler's return value where the status is decided by what happened."""

    value: Any
    status: HTTPStatus


@dataclass(frozen=True)
class TextResult:
    """A handler's return value that is no JSON."""

    content: str
    media_type: str


Handler = Callable[[RequestContext], Any]


def endpoint(blueprint: Blueprint, method: str, rule: str, **declared: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401 - the fields of Endpoint
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
            return _answer(declaration, handler, path)
        except Exception as error:  # noqa: BLE001 - every failure has an answer
            return responses.error_response(public_error(error))

    view.endpoint = declaration  # type: ignore[attr-defined]  # for ``declared``
    return view


def declared(view: object) -> Endpoint | None:
    """What a view was declared with, or None where ``@endpoint`` did not make it.

    Views of others may have attributes of any name. Only a declaration of ours says that the view itself
    holds the caller against the scope.
    """
    found = getattr(view, "endpoint", None)
    return found if isinstance(found, Endpoint) else None


def _answer(declaration: Endpoint, handler: Handler, path: dict[str, str]) -> Response:
    principal = authenticate()
    if declaration.scope is not None:
        principal.require(
            declaration.scope,
            dags=declaration.dags,
            personal=declaration.personal,
            tenanted=declaration.tenanted,
        )
    _require_names(path)
    body = _load_body(declaration.body) if declaration.body else None
    query = _load_query(declaration.query) if declaration.query else {}
    if not declaration.session:
        airflow_compat.end_request_transaction()
    with db.transaction() if declaration.session else nullcontext() as session:
        if session is None:
            return _respond(*_call(declaration, handler, RequestContext(principal, body, query, path)))
        posted = declaration.method == "POST"
        claim = idempotency.claim(session, principal, declaration.scope) if posted else None
        if claim is not None and claim.kept is not None:
            response = _respond(claim.kept.dumped, HTTPStatus(claim.kept.status), claim.kept.version)
            response.headers[idempotency.REPLAYED_HEADER] = "true"
            return response
        trail = audit.Trail(session)
        dumped, status, version = _call(
            declaration, handler, RequestContext(principal, body, query, path, session)
        )
        trail.write(principal, handler.__name__)
        if claim is not None:
            sent = request.get_json() if declaration.body else None
            rights = idempotency.rights(principal, declaration.scope, path, sent, dumped)
            answer = idempotency.Kept(int(status), dumped, version)
            claim.keep(session, answer, rights=rights, secret=_has_secret(declaration, dumped))
    return _respond(dumped, status, version)


def _has_secret(declaration: Endpoint, dumped: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether an answer has a secret in it that is shown this once."""
    declared = declaration.answer().fields if declaration.answer else {}
    return any(isinstance(each, Secret) and dumped.get(name) for name, each in declared.items())


def _call(
    declaration: Endpoint, handler: Handler, call: RequestContext
) -> tuple[Any, HTTPStatus, int | None]:
    """What the handler returns, ready for JSON; the status; and the object's version, where it has one."""
    result, status = handler(call), declaration.status
    if isinstance(result, Result):
        result, status = result.value, result.status
    if call.has_session:
        call.session.flush()  # a violated constraint must fail here, before an answer is made
    # Inside the transaction: a row's columns may still have to be read.
    dumped = declaration.answer().dump(result) if declaration.answer else result
    return dumped, status, getattr(result, "row_version", None)


def _respond(dumped: Any, status: HTTPStatus, version: int | None = None) -> Response:  # noqa: ANN401 - any JSON
    if isinstance(dumped, TextResult):
        response = Response(dumped.content, content_type=dumped.media_type)
    else:
        response = _json(dumped) if status != HTTPStatus.NO_CONTENT else Response()
    response.status_code = status
    if version is not None:
        response.set_etag(str(version))
    return response


def _json(dumped: Any) -> Response:  # noqa: ANN401 - any JSON
    """JSON with its names in the order that the handler gave them: a query's columns have one."""
    return Response(f"{current_app.json.dumps(dumped, sort_keys=False)}\n", mimetype="application/json")


def authenticate() -> Principal:
    """The caller, by an API key or by whatever ``[api] auth_backends`` lets in.

    Raises:
        AuthenticationFailed: nobody is recognised. Airflow's public role counts as nobody.
    """
    if (principal := g.get("platform_principal")) is not None:
        return principal  # type: ignore[no-any-return]
    for backend in current_app.api_auth:  # type: ignore[attr-defined]
        if backend.requires_authentication(Response)().status_code == HTTPStatus.OK:
            user = airflow_compat.request_user()
            if user is not None:
                return Principal(username=user.username, user=user)
    raise AuthenticationFailed("Invalid or missing credentials.")


def _require_names(path: dict[str, str]) -> None:
    ijson.require_text(path.items())
    errors = [
        FieldError.at((name,), f"is longer than {LONGEST_NAME} characters")
        for name, value in path.items()
        if len(value) > LONGEST_NAME
    ]
    if errors:
        raise ValidationFailed(errors)


def _load_body(schema: Body) -> Any:  # noqa: ANN401 - what the schema makes of it
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, sent as Content-Type: application/json.")
    document = ijson.parse(_read_body())
    if not isinstance(document, dict):
        raise ValidationFailed.of(message="must be a JSON object")
    if issubclass(schema, BaseModel):
        try:
            return schema.model_validate(document)
        except PydanticError as error:
            raise ValidationFailed(
                [
                    # pydantic marks what is wrong with a name, rather than with its value, by a last step.
                    FieldError.at(
                        [step for step in item["loc"] if step != "[key]"],
                        item["msg"].removeprefix("Value error, "),
                    )
                    for item in error.errors()
                ]
            ) from error
    return load(schema, document)


def _read_body() -> bytes:
    longest = settings.get().max_body_bytes
    # The announced length first, so that a longer body is not read. Where there is none the body comes in
    # chunks, and werkzeug ends it at Airflow's own limit without a word.
    announced = request.content_length
    if announced is None and request.max_content_length is not None:
        longest = min(longest, int(request.max_content_length) - 1)
    if (announced or 0) > longest or len(data := request.get_data()) > longest:
        raise PayloadTooLarge(f"The body is longer than {longest} bytes.", max_body_bytes=longest)
    return data


def _load_query(schema: type[Schema]) -> dict[str, Any]:
    ijson.require_text(request.args.items(multi=True))
    # A repeated parameter is a list; a schema's own field decides whether it wants one.
    given = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
    return load(schema, given)  # type: ignore[no-any-return]


def load(schema: type[Schema], document: Any) -> Any:  # noqa: ANN401 - any JSON
    """What the schema makes of a document.

    Raises:
        ValidationFailed: it does not fit; every field that does not is named.
    """
    try:
        return schema().load(document)
    except MarshmallowError as error:
        raise ValidationFailed(list(_flatten(error.messages, ()))) from error


def _flatten(messages: Any, path: tuple[str | int, ...]) -> list[FieldError]:  # noqa: ANN401 - marshmallow's tree
    if isinstance(messages, dict):
        # marshmallow names errors of the document itself "_schema", of a mapping's entry "key" and "value".
        return [
            error
            for key, inner in messages.items()
            for error in _flatten(inner, path if key == "_schema" else (*path, key))
        ]
    return [FieldError.at(path, str(message)) for message in messages]


def public_error(error: Exception) -> PlatformError:
    """What the caller is told of an error; the log knows the rest."""
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, HTTPException) and error.code in CODES:
        public = PlatformError(error.description or error.name)
        public.status = error.code
        return public
    if isinstance(error, (IntegrityError, StaleDataError)):
        # The service has looked first, so somebody else was faster by a moment.
        return Conflict("Another request has just written the same.")
    log.error("Request %s failed", responses.request_id(), exc_info=error)
    if isinstance(error, (OperationalError, ProgrammingError)) and not _tables_are_current():
        return ServiceUnavailable(
            "The platform's tables are missing or of another version: run `airflow-platform db upgrade`."
        )
    if isinstance(error, OperationalError):
        return ServiceUnavailable("The database does not answer.")
    return PlatformError("Something went wrong on the server; its log has the details under this request id.")


def _tables_are_current() -> bool:
    try:
        return db.is_current()
    except DBAPIError:
        return True  # the database is away: not a question of tables
