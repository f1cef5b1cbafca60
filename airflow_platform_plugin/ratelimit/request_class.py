"""What a request counts as. Ours declare it where it is not their method's; stock ones stand in a table."""

from flask import current_app, request

from airflow_platform_plugin.auth import airflow_operations
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.http import responses
from airflow_platform_plugin.http.endpoint import declared

METHODS = {
    "POST": RequestClass.WRITE,
    "PUT": RequestClass.WRITE,
    "PATCH": RequestClass.WRITE,
    "DELETE": RequestClass.DELETE,
}

# Stock operations that are not what their method says, by ``operationId``.
STOCK = {
    # Lists whose filters are too long for an address.
    "get_dag_runs_batch": RequestClass.READ,
    "get_task_instances_batch": RequestClass.READ,
    # Pauses or unpauses every DAG that fits a pattern.
    "patch_dags": RequestClass.BULK,
}


def of_request() -> RequestClass:
    """The class of the current request, also where nothing is at its path."""
    by_method = METHODS.get(request.method, RequestClass.READ)
    if request.endpoint is None:
        return by_method
    declaration = declared(current_app.view_functions.get(request.endpoint))
    if declaration is not None:
        return declaration.request_class or by_method
    if request.blueprint in responses.STOCK_BLUEPRINTS:
        return STOCK.get(airflow_operations.operation_id(request.endpoint), by_method)
    return by_method
