"""The page that shows the document: Airflow's own copy of Swagger UI, in Airflow's frame and menu."""

import json

from flask import Flask, current_app, request
from jinja2.utils import htmlsafe_json_dumps

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.views import BaseView, expose
from airflow_platform_plugin.openapi import document

CATEGORY, NAME = "Platform", "API"


class ApiView(BaseView):
    """The document as a page, whose "Try it out" acts as the person who is logged in."""

    route_base = "/platform/api"
    default_view = "index"

    @expose("/")
    @airflow_compat.web.requires_website_access
    def index(self) -> str:
        """Show the document. It is part of the page, for not every API backend takes a browser's session."""
        described = document.build(current_app, request.script_root)
        # Not tojson: Airflow's sorts the names.
        page: str = self.render_template(
            "platform/openapi/index.html", document=htmlsafe_json_dumps(described, dumps=json.dumps)
        )
        return page


def install(app: Flask) -> None:
    """Add the page, unless the operator wants no Swagger UI; whoever finds Airflow's manual finds it too."""
    if airflow_compat.config.serves_api_page():
        app.appbuilder.add_view(ApiView, NAME, category=CATEGORY)  # type: ignore[attr-defined]
        airflow_compat.web.show_in_menu(app, [CATEGORY, NAME])
