"""What a request counts as. Ours declare it where it is not their method's; stock ones stand in a table."""

from flask import current_app, request

from airflow_platform_plugin import http
from airflow_platform_plugin.auth import stock
from airflow_platform_plugin.endpoint import declared
from airflow_platform_plugin.rates import Rate

METHODS = {"POST": Rate.WRITE, "PUT": Rate.WRITE, "PATCH": Rate.WRITE, "DELETE": Rate.DELETE}

# Stock operations that are not what their method says, by ``operationId``.
STOCK = {
    # Lists whose filters are too long for an address.
    "get_dag_runs_batch": Rate.READ,
    "get_task_instances_batch": Rate.READ,
    # Pauses or unpauses every DAG that fits a pattern.
    "patch_dags": Rate.BULK,
}


def of_request() -> Rate:
    """The class of the current request, also where nothing is at its path."""
    by_method = METHODS.get(request.method, Rate.READ)
    if request.endpoint is None:
        return by_method
    declaration = declared(current_app.view_functions.get(request.endpoint))
    if declaration is not None:
        return declaration.rate or by_method
    if request.blueprint in http.STOCK_BLUEPRINTS:
        return STOCK.get(stock.operation_id(request.endpoint), by_method)
    return by_method
