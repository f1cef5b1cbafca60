"""``/api/v1/platform/connections``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.connections import service
from airflow_platform_plugin.connections.authorization import EXPORT, READ, WRITE
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.connections.references import usage
from airflow_platform_plugin.connections.schemas import (
    RESERVED,
    ConnectionAnswer,
    ConnectionChange,
    ConnectionInput,
    ConnectionList,
    ConnectionQuery,
    ConnectionTestInput,
    DeleteConnectionQuery,
    ExportQuery,
    ImportAnswer,
    ImportInput,
    SealedExportInput,
    SealedExportQuery,
    TestAnswer,
    TestQuery,
    UsageAnswer,
)
from airflow_platform_plugin.connections.testing import service as testing
from airflow_platform_plugin.connections.testing.results import TestResult
from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.connections.transfer import service as transfer
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.errors import Conflict
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http import path_converters
from airflow_platform_plugin.http.endpoint import RequestContext, TextResult, endpoint

blueprint = Blueprint("platform_connections", __name__, url_prefix="/api/v1/platform/connections")
path_converters.exclude_reserved(blueprint, "connection", RESERVED)


@endpoint(
    blueprint,
    "POST",
    "",
    scope=WRITE,
    tenanted=True,
    dags=DagPolicy.NONE,
    body=ConnectionInput,
    answer=ConnectionAnswer,
    status=HTTPStatus.CREATED,
)
def create_connection(call: RequestContext) -> ConnectionRecord:
    """Create a connection."""
    return service.create(call.session, call.body, by=call.principal)


@endpoint(
    blueprint,
    "GET",
    "",
    scope=READ,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=ConnectionQuery,
    answer=ConnectionList,
)
def list_connections(call: RequestContext) -> pagination.Page:
    """List connections."""
    return service.page(call.session, call.query, by=call.principal)


@endpoint(
    blueprint,
    "GET",
    "/export",
    scope=READ,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=ExportQuery,
    text=(formats.YAML,),
)
def export_connections(call: RequestContext) -> formats.ConnectionDocument | TextResult:
    """Export connections without their secrets, as ``airflow connections export`` writes them."""
    document = transfer.export(call.session, by=call.principal)
    if call.query["format"] == "yaml":
        return TextResult(formats.render_yaml(document), formats.YAML)
    return document


@endpoint(
    blueprint,
    "POST",
    "/export",
    scope=EXPORT,
    rate=RequestClass.BULK,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=SealedExportQuery,
    body=SealedExportInput,
)
def export_connections_with_secrets(call: RequestContext) -> dict[str, Any]:
    """Export connections with their secrets, encrypted with a passphrase."""
    return transfer.export_encrypted(call.session, passphrase=call.body["passphrase"], by=call.principal)


@endpoint(
    blueprint,
    "POST",
    "/import",
    scope=WRITE,
    rate=RequestClass.BULK,
    tenanted=True,
    dags=DagPolicy.NONE,
    body=ImportInput,
    answer=ImportAnswer,
)
def import_connections(call: RequestContext) -> dict[str, Any]:
    """Import connections, all of a document or none."""
    rows = transfer.import_(call.session, call.body, by=call.principal)
    return {"dry_run": call.body["dry_run"], "connections": rows}


@endpoint(
    blueprint,
    "POST",
    "/test",
    scope=WRITE,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=TestQuery,
    body=ConnectionTestInput,
    answer=TestAnswer,
    session=False,
)
def test_connection_body(call: RequestContext) -> TestResult:
    """Test a connection without storing it."""
    return testing.test_given(call.body, by=call.principal, timeout=call.query["timeout_seconds"])


@endpoint(
    blueprint,
    "GET",
    "/<connection:connection_id>",
    scope=READ,
    tenanted=True,
    dags=DagPolicy.NONE,
    answer=ConnectionAnswer,
)
def get_connection(call: RequestContext) -> ConnectionRecord:
    """Get a connection, without its secrets."""
    return service.get(call.session, call.path["connection_id"], by=call.principal)


@endpoint(
    blueprint,
    "PATCH",
    "/<connection:connection_id>",
    scope=WRITE,
    tenanted=True,
    dags=DagPolicy.NONE,
    body=ConnectionChange,
    answer=ConnectionAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_connection(call: RequestContext) -> ConnectionRecord:
    """Change a connection; extra is merged key by key, and null removes."""
    found = service.get_to_change(call.session, call.path["connection_id"], by=call.principal)
    call.require_match(found)
    return service.change(call.session, found, call.body, by=call.principal)


@endpoint(
    blueprint,
    "DELETE",
    "/<connection:connection_id>",
    scope=WRITE,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=DeleteConnectionQuery,
    status=HTTPStatus.NO_CONTENT,
)
def delete_connection(call: RequestContext) -> None:
    """Delete a connection that nothing names, or with force any."""
    found = service.get_to_change(call.session, call.path["connection_id"], by=call.principal)
    used_by = {} if call.query["force"] else usage(call.session, found.connection_id, by=call.principal)
    if any(used_by.values()):
        raise Conflict(
            f"Connection '{found.connection_id}' is in use; ?force=true deletes it nevertheless.",
            used_by=used_by,
        )
    service.delete(call.session, found)


@endpoint(
    blueprint,
    "POST",
    "/<connection:connection_id>/test",
    scope=READ,
    tenanted=True,
    dags=DagPolicy.NONE,
    query=TestQuery,
    answer=TestAnswer,
    session=False,
)
def test_connection(call: RequestContext) -> TestResult:
    """Test a connection."""
    timeout = call.query["timeout_seconds"]
    return testing.test_stored(call.path["connection_id"], by=call.principal, timeout=timeout)


@endpoint(
    blueprint,
    "GET",
    "/<connection:connection_id>/usage",
    scope=READ,
    tenanted=True,
    dags=DagPolicy.NONE,
    answer=UsageAnswer,
)
def get_connection_usage(call: RequestContext) -> dict[str, Any]:
    """Get what names a connection, of what the caller may read."""
    found = service.get(call.session, call.path["connection_id"], by=call.principal)
    return {
        "connection_id": found.connection_id,
        "used_by": usage(call.session, found.connection_id, by=call.principal),
    }
