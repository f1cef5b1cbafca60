"""The class by which rate limits count a request.

It follows from the method. The platform's endpoints can declare another; Airflow's are in a table.
"""

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

# Stock operations with another class than their method's, by ``operationId``.
STOCK = {
    # Lists with filters that may be too long for a URL.
    "get_dag_runs_batch": RequestClass.READ,
    "get_task_instances_batch": RequestClass.READ,
    # Pauses or unpauses every DAG that fits a pattern.
    "patch_dags": RequestClass.BULK,
}


def classify_request() -> RequestClass:
    """Return the class of the current request; the path need not exist."""
    by_method = METHODS.get(request.method, RequestClass.READ)
    if request.endpoint is None:
        return by_method
    declaration = declared(current_app.view_functions.get(request.endpoint))
    if declaration is not None:
        return declaration.request_class or by_method
    if request.blueprint in responses.STOCK_BLUEPRINTS:
        return STOCK.get(airflow_operations.operation_id(request.endpoint), by_method)
    return by_method
