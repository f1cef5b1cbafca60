"""The page that shows the document: Airflow's copy of Swagger UI, with Airflow's frame and menu."""

import json

from flask import Flask, current_app, request
from jinja2.utils import htmlsafe_json_dumps

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.views import BaseView, expose
from airflow_platform_plugin.openapi import document

CATEGORY, NAME = "Platform", "API"


class ApiView(BaseView):
    """The document as a page; its "Try it out" acts as the user who is logged in."""

    route_base = "/platform/api"
    default_view = "index"

    @expose("/")
    @airflow_compat.web.requires_website_access
    def index(self) -> str:
        """Show the document, inside the page: not every API backend accepts a browser's session."""
        described = document.build(current_app, request.script_root)
        # Not the filter tojson: Airflow's sorts the names.
        page: str = self.render_template(
            "platform/openapi/index.html", document=htmlsafe_json_dumps(described, dumps=json.dumps)
        )
        return page


def install(app: Flask) -> None:
    """Add the page to the menu for all who see Airflow's documentation there, unless Swagger UI is off."""
    if airflow_compat.config.serves_api_page():
        app.appbuilder.add_view(ApiView, NAME, category=CATEGORY)  # type: ignore[attr-defined]
        airflow_compat.web.show_in_menu(app, [CATEGORY, NAME])
