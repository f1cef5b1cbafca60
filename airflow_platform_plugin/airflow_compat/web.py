"""Airflow's web application: pages, menu, CSRF protection, and the errors of its API."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.types import View
from airflow_platform_plugin.airflow_compat.users import auth_manager, security_manager

if TYPE_CHECKING:
    from flask import Blueprint, Flask


def unauthenticated_problem() -> dict[str, Any]:
    """Return the body of the stock API's 401."""
    from airflow.api_connexion.exceptions import Unauthenticated

    error = Unauthenticated()
    return {"type": error.type, "title": error.title, "status": int(error.status), "detail": error.detail}


def is_refused_run_id(error: Exception) -> bool:
    """Return whether the error says that Airflow refuses the id of a new run."""
    from airflow.exceptions import AirflowException

    return isinstance(error, AirflowException) and "run ID" in str(error)


def login_url(next_url: str) -> str:
    """Return the URL of the login page, which leads back to ``next_url``, a path with its query."""
    return str(auth_manager().get_url_login(next_url=next_url))


def render_page(template: str, **context: object) -> str:
    """Render a template that extends ``base_template``, the frame of every Airflow page."""
    from flask import current_app, render_template

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    return render_template(template, base_template=appbuilder.base_template, appbuilder=appbuilder, **context)


def stock_views() -> set[str]:
    """Return the names of the blueprints of Airflow's own pages."""
    from flask import current_app

    views = current_app.appbuilder.baseviews  # type: ignore[attr-defined]
    return {view.blueprint.name for view in views if type(view).__module__.startswith("airflow.www.")}


def read_dag_dependencies_anew(app: "Flask", is_needed: Callable[[], bool]) -> None:
    """Let the page of DAG dependencies read the graph in each request for which ``is_needed()``.

    Airflow keeps one graph of all DAGs in the page's object. If another version of Airflow has another page,
    that page stays as it is.
    """
    from copy import copy
    from functools import wraps

    endpoint = "DagDependenciesView.list"
    stock: View = app.view_functions.get(endpoint)
    page: View = getattr(stock, "__self__", None)
    if not (hasattr(page, "nodes") and hasattr(page, "edges")):
        return

    @wraps(stock)
    def list_dependencies() -> View:
        if not is_needed():
            return stock()
        own = copy(page)
        own.nodes, own.edges = [], []  # which makes the page calculate both
        return own.list()

    app.view_functions[endpoint] = list_dependencies


def end_request_transaction() -> None:
    """End the transaction in which Airflow has read the caller's permissions."""
    security_manager().get_session.rollback()


def exempt_from_csrf(app: "Flask", blueprint: "Blueprint") -> None:
    """Accept calls of a blueprint without a CSRF token, as Airflow does for its own API."""
    app.extensions["csrf"].exempt(blueprint)


def requires_website_access(view: View) -> View:
    """Decorate a view: it needs the permission to see Airflow's pages, and redirects others to the login."""
    from airflow.www.auth import has_access_view

    return has_access_view()(view)


def show_in_menu(app: "Flask", names: Collection[str]) -> None:
    """Show menu entries to the stock roles that see Airflow's documentation there.

    Airflow adds missing permissions to the stock roles whenever it synchronizes the roles. Auth managers
    other than FAB's have no such roles.
    """
    from airflow.security.permissions import ACTION_CAN_ACCESS_MENU, RESOURCE_DOCS_MENU

    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    manager.ROLE_CONFIGS = [
        config | {"perms": [*config["perms"], *((ACTION_CAN_ACCESS_MENU, name) for name in names)]}
        if (ACTION_CAN_ACCESS_MENU, RESOURCE_DOCS_MENU) in config["perms"]
        else config
        for config in getattr(manager, "ROLE_CONFIGS", [])
    ]
