"""Airflow's web application: pages, menu, CSRF protection, errors of its API."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.airflow_compat.users import auth_manager, security_manager

if TYPE_CHECKING:
    from flask import Flask


def unauthenticated_problem() -> dict[str, Any]:
    """The body of the stock API's 401."""
    from airflow.api_connexion.exceptions import Unauthenticated

    error = Unauthenticated()
    return {"type": error.type, "title": error.title, "status": int(error.status), "detail": error.detail}


def is_refused_run_id(error: Exception) -> bool:
    """Whether Airflow has refused to make a run for the id that was given."""
    from airflow.exceptions import AirflowException

    return isinstance(error, AirflowException) and "run ID" in str(error)


def base_url() -> str | None:
    """Where the operator says that Airflow's webserver is reached; None where it is as Airflow comes."""
    from airflow.configuration import conf

    given = str(conf.get("webserver", "base_url", fallback="")).rstrip("/")
    usual = str(conf.get_default_value("webserver", "base_url") or "").rstrip("/")
    return None if given in {"", usual} else given


def login_url(next_url: str) -> str:
    """Where a browser logs in, to come back to ``next_url``, a path with its query."""
    return str(auth_manager().get_url_login(next_url=next_url))


def render_page(template: str, **context: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Render a template of ours that extends ``base_template``, Airflow's own frame of every page."""
    from flask import current_app, render_template

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    return render_template(template, base_template=appbuilder.base_template, appbuilder=appbuilder, **context)


def stock_views() -> set[str]:
    """The blueprints of Airflow's own pages."""
    from flask import current_app

    views = current_app.appbuilder.baseviews  # type: ignore[attr-defined]
    return {view.blueprint.name for view in views if type(view).__module__.startswith("airflow.www.")}


def end_request_transaction() -> None:
    """End the transaction in which Airflow has read the caller's rights."""
    security_manager().get_session.rollback()


def exempt_from_csrf(app: "Flask", blueprint: Any) -> None:  # noqa: ANN401 - a Blueprint
    """Let programs call ``blueprint`` without a form token, as Airflow does for its own API."""
    app.extensions["csrf"].exempt(blueprint)


def requires_website_access(view: Any) -> Any:  # noqa: ANN401 - a view's method
    """Let in whoever may see Airflow's own pages, and send everybody else to the login."""
    from airflow.www.auth import has_access_view

    return has_access_view()(view)


def show_in_menu(app: "Flask", names: Collection[str]) -> None:
    """Show entries of the menu to the stock roles that see Airflow's documentation there.

    Airflow adds what a stock role lacks of its permissions whenever it synchronises the roles. Auth managers
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
