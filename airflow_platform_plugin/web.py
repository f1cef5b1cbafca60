"""The platform in the webserver: plugs in what the features declare."""

import logging

from flask import Blueprint, Flask

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, settings, shared_roles
from airflow_platform_plugin.core.feature import features, resolve
from airflow_platform_plugin.core.principal import Access, permission
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http import audit, stock_errors
from airflow_platform_plugin.http.endpoint import Endpoint, declared

log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Plug everything into Airflow's web application."""
    for feature in features():
        if feature.orm_hooks is not None:
            resolve(feature.orm_hooks)()
    if not hasattr(app, "api_auth"):
        return  # an application without an API: Airflow's command line makes one to manage users
    if db.is_migrating():
        return  # Airflow's own migrations make one, to change permissions
    _migrate()
    _hook_requests(app)
    _register_blueprints(app)
    _create_permissions(app)
    for feature in features():
        if feature.install is not None:
            resolve(feature.install)(app)


def _migrate() -> None:
    """Upgrade the tables, without ever keeping the webserver from starting."""
    try:
        if settings.get(settings.CoreSettings).auto_migrate:
            db.upgrade()
    except Exception:
        log.exception("The platform's tables could not be upgraded; its endpoints will say so.")


def _hook_requests(app: Flask) -> None:
    hooks = Blueprint("platform_hooks", __name__, template_folder="templates")
    stock_errors.install(app, hooks)
    audit.install()
    for feature in features():
        if feature.request_hooks is not None:
            resolve(feature.request_hooks)(app, hooks)
    app.register_blueprint(hooks)
    airflow_compat.web.exempt_from_csrf(app, hooks)


def _register_blueprints(app: Flask) -> None:
    for feature in features():
        for reference in feature.blueprints:
            blueprint = resolve(reference)
            app.register_blueprint(blueprint)
            airflow_compat.web.exempt_from_csrf(app, blueprint)
        for reference in feature.pages:
            app.register_blueprint(resolve(reference))


def _create_permissions(app: Flask) -> None:
    """Create the permissions behind the endpoints' scopes, so that roles can be given them.

    Airflow gives the role Admin all permissions when it synchronizes the roles, right after this.
    """
    found = [declared(view) for view in app.view_functions.values()]
    needed = [each for each in found if each is not None and _needs_permission(each)]
    try:
        for scope in sorted({str(each.scope) for each in needed}):
            app.appbuilder.sm.create_permission(*permission(scope))  # type: ignore[attr-defined]
        shared_roles.ensure({str(each.scope) for each in needed if each.access is Access.TENANT})
    except Exception:
        log.exception("The platform's permissions could not be created; only the role Admin may use it.")


def _needs_permission(endpoint: Endpoint) -> bool:
    """Return False where there is no scope, or where the right to a DAG decides."""
    own = endpoint.access is Access.OWN and endpoint.dags is DagPolicy.AUTH_MANAGER
    return endpoint.scope is not None and not own
