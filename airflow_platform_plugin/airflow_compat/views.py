"""The base class of pages and the decorator of their routes, for FAB's application.

A module of its own, since it imports FAB, which only the webserver needs.
"""

from flask_appbuilder import BaseView, expose

__all__ = ["BaseView", "expose"]
