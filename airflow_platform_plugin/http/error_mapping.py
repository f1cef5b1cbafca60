"""Map errors of all kinds to the errors of the API."""

import logging

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import CODES, Conflict, PlatformError, ServiceUnavailable
from airflow_platform_plugin.http import responses

log = logging.getLogger(__name__)


def to_public_error(error: Exception) -> PlatformError:
    """Return the error for the caller; the details of unexpected ones go to the log alone."""
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, HTTPException) and error.code in CODES:
        public = PlatformError(error.description or error.name)
        public.status = error.code
        return public
    if isinstance(error, (IntegrityError, StaleDataError)):
        # Services check before they write, so another request came in between.
        return Conflict("The resource was created or changed by another request; read it and retry.")
    log.error("Request %s failed", responses.request_id(), exc_info=error)
    if isinstance(error, (OperationalError, ProgrammingError)) and not _tables_are_current():
        return ServiceUnavailable(
            "The platform's tables are missing or of another version: run `airflow-platform db upgrade`."
        )
    if isinstance(error, OperationalError):
        return ServiceUnavailable("The database does not answer.")
    return PlatformError("Something went wrong on the server; its log has the details under this request id.")


def _tables_are_current() -> bool:
    try:
        return db.is_current()
    except DBAPIError:
        return True  # the database does not answer, so nothing is known about the tables
