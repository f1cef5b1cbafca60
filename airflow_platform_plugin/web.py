"""The platform in the webserver: each feature's routes, plugged in once."""

import logging

from flask import Blueprint, Flask

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.analytics import api as analytics
from airflow_platform_plugin.auth import api as auth
from airflow_platform_plugin.auth import backend, csrf
from airflow_platform_plugin.auth import cleanup as auth_follow
from airflow_platform_plugin.auth.oauth import api as oauth_clients
from airflow_platform_plugin.auth.oauth import views as oauth
from airflow_platform_plugin.connections import api as connections
from airflow_platform_plugin.connections import cleanup
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.principal import Access, permission
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.datakits import api as datakits
from airflow_platform_plugin.deployments import api as deployments
from airflow_platform_plugin.http import audit, stock_errors
from airflow_platform_plugin.http.endpoint import Endpoint, declared
from airflow_platform_plugin.openapi import api as openapi
from airflow_platform_plugin.openapi import views as openapi_views
from airflow_platform_plugin.ratelimit import api as ratelimit
from airflow_platform_plugin.ratelimit import hooks as ratelimit_hooks
from airflow_platform_plugin.runs.backfill import api as backfill
from airflow_platform_plugin.runs.bulk import api as bulk
from airflow_platform_plugin.tenants import api as tenants
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.webhooks import api as webhooks

log = logging.getLogger(__name__)

BLUEPRINTS = [
    auth.blueprint,
    oauth_clients.blueprint,
    oauth.token_endpoints,
    ratelimit.blueprint,
    tenants.blueprint,
    connections.blueprint,
    datakits.blueprint,
    deployments.blueprint,
    analytics.blueprint,
    webhooks.blueprint,
    backfill.blueprint,
    bulk.blueprint,
    openapi.blueprint,
]


def install(app: Flask) -> None:
    """Plug everything into Airflow's web application."""
    auth_follow.install()
    roles.install()
    if not hasattr(app, "api_auth"):
        return  # an application without an API: Airflow's command line makes one to manage users
    if db.is_migrating():
        return  # Airflow's own migrations make one, to change permissions
    _migrate()
    hooks = Blueprint("platform_hooks", __name__, template_folder="templates")
    stock_errors.install(app, hooks)
    backend.install(app, hooks)
    csrf.install(hooks)
    audit.install()
    ratelimit_hooks.install(app, hooks)  # after the keys are recognised: it counts by them
    for blueprint in [hooks, *BLUEPRINTS]:
        app.register_blueprint(blueprint)
        airflow_compat.web.exempt_from_csrf(app, blueprint)
    app.register_blueprint(oauth.browser_pages)  # forms of people's browsers, under Airflow's protection
    openapi_views.install(app)
    _create_permissions(app)
    roles.sync_all()
    cleanup.install()
    airflow_compat.roles.on_login(app, roles.assign_on_login)


def _migrate() -> None:
    """Upgrade the tables, without ever keeping the webserver from starting."""
    try:
        if settings.get().auto_migrate:
            db.upgrade()
    except Exception:
        log.exception("The platform's tables could not be upgraded; its endpoints will say so.")


def _create_permissions(app: Flask) -> None:
    """Make the permissions behind the endpoints' scopes known, so that roles can be given them.

    Airflow gives the role Admin whatever exists when it synchronises the roles, right after this.
    """
    found = [declared(view) for view in app.view_functions.values()]
    needed = [each for each in found if each is not None and _needs_permission(each)]
    try:
        for scope in sorted({str(each.scope) for each in needed}):
            app.appbuilder.sm.create_permission(*permission(scope))  # type: ignore[attr-defined]
    except Exception:
        log.exception("The platform's permissions could not be created; only the role Admin may use it.")


def _needs_permission(endpoint: Endpoint) -> bool:
    """Not where there is no scope, nor where the right to a DAG's own things decides."""
    return endpoint.scope is not None and not (
        endpoint.access is Access.OWN and endpoint.dags is DagPolicy.AUTH_MANAGER
    )
