"""``/api/v1/platform/connections``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.connections import service
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.connections.references import find_references
from airflow_platform_plugin.connections.schemas import (
    RESERVED,
    ConnectionChange,
    ConnectionInput,
    ConnectionList,
    ConnectionQuery,
    ConnectionResponse,
    ConnectionTestInput,
    DeleteConnectionQuery,
    ExportQuery,
    ImportInput,
    ImportResponse,
    SealedExportInput,
    SealedExportQuery,
    TestQuery,
    TestResponse,
    UsageResponse,
)
from airflow_platform_plugin.connections.testing import service as testing
from airflow_platform_plugin.connections.testing.results import TestResult
from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.connections.transfer import service as transfer
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
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
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=ConnectionInput,
    response=ConnectionResponse,
    status=HTTPStatus.CREATED,
)
def create_connection(context: RequestContext) -> ConnectionRecord:
    """Create a connection."""
    return service.create(context.session, context.body, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=ConnectionQuery,
    response=ConnectionList,
)
def list_connections(context: RequestContext) -> pagination.Page:
    """List connections."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/export",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=ExportQuery,
    media_types=(formats.YAML,),
)
def export_connections(context: RequestContext) -> formats.ConnectionDocument | TextResult:
    """Export connections without their secrets, in the format of ``airflow connections export``."""
    document = transfer.export_masked(context.session, by=context.principal)
    if context.query["format"] == "yaml":
        return TextResult(formats.render_yaml(document), formats.YAML)
    return document


@endpoint(
    blueprint,
    "POST",
    "/export",
    scope=service.EXPORT,
    request_class=RequestClass.BULK,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=SealedExportQuery,
    body=SealedExportInput,
)
def export_connections_with_secrets(context: RequestContext) -> dict[str, Any]:
    """Export connections with their secrets, encrypted with a passphrase."""
    return transfer.export_encrypted(
        context.session, passphrase=context.body["passphrase"], by=context.principal
    )


@endpoint(
    blueprint,
    "POST",
    "/import",
    scope=service.WRITE,
    request_class=RequestClass.BULK,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=ImportInput,
    response=ImportResponse,
)
def import_connections(context: RequestContext) -> transfer.ImportReport:
    """Import all connections of a document, or none of them."""
    return transfer.import_document(context.session, context.body, by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/test",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=TestQuery,
    body=ConnectionTestInput,
    response=TestResponse,
    session=False,
)
def test_connection_body(context: RequestContext) -> TestResult:
    """Test a connection without storing it."""
    timeout = context.query["timeout_seconds"]
    return testing.test_unsaved(context.body, by=context.principal, timeout=timeout)


@endpoint(
    blueprint,
    "GET",
    "/<connection:connection_id>",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=ConnectionResponse,
)
def get_connection(context: RequestContext) -> ConnectionRecord:
    """Get a connection, without its secrets."""
    return service.get(context.session, context.path["connection_id"], by=context.principal)


@endpoint(
    blueprint,
    "PATCH",
    "/<connection:connection_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=ConnectionChange,
    response=ConnectionResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_connection(context: RequestContext) -> ConnectionRecord:
    """Change a connection; extra is merged key by key, and null removes a key."""
    record = service.get_writable(context.session, context.path["connection_id"], by=context.principal)
    context.require_match(record)
    return service.update(context.session, record, context.body, by=context.principal)


@endpoint(
    blueprint,
    "DELETE",
    "/<connection:connection_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=DeleteConnectionQuery,
    status=HTTPStatus.NO_CONTENT,
)
def delete_connection(context: RequestContext) -> None:
    """Delete a connection that nothing refers to; with force any connection."""
    record = service.get_writable(context.session, context.path["connection_id"], by=context.principal)
    service.delete(context.session, record, force=context.query["force"], by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/<connection:connection_id>/test",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=TestQuery,
    response=TestResponse,
    session=False,
)
def test_connection(context: RequestContext) -> TestResult:
    """Test a connection."""
    timeout = context.query["timeout_seconds"]
    return testing.test_stored(context.path["connection_id"], by=context.principal, timeout=timeout)


@endpoint(
    blueprint,
    "GET",
    "/<connection:connection_id>/usage",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=UsageResponse,
)
def get_connection_usage(context: RequestContext) -> dict[str, Any]:
    """Get what refers to a connection, as far as you may read it."""
    record = service.get(context.session, context.path["connection_id"], by=context.principal)
    used_by = find_references(context.session, record, by=context.principal)
    return {"connection_id": record.connection_id, "used_by": used_by}
