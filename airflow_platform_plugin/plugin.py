"""The entry point that Airflow loads, in the webserver, in the scheduler and in every task process.

So it imports next to nothing: the blueprint is empty, and what belongs to the webserver is imported
only when a web application registers it.
"""

import logging

from airflow.plugins_manager import AirflowPlugin
from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from airflow_platform_plugin import listener

log = logging.getLogger(__name__)

blueprint = Blueprint("airflow_platform", __name__)


@blueprint.record_once
def _install(state: BlueprintSetupState) -> None:
    try:
        from airflow_platform_plugin import web

        web.install(state.app)
    except Exception:
        log.exception("The platform could not be plugged in; Airflow goes on without it")


class PlatformPlugin(AirflowPlugin):
    """What Airflow finds under the entry point ``airflow.plugins``."""

    name = "platform"
    flask_blueprints = [blueprint]  # noqa: RUF012 - Airflow's own convention
    listeners = [listener]  # noqa: RUF012 - the same
