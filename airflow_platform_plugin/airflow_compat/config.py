"""Options of Airflow's configuration, by what they decide."""

from datetime import timedelta
from pathlib import Path

from airflow.configuration import conf


def platform_option(name: str) -> str | None:
    """Return an option of the section ``[platform]``, or None if the operator has not set it."""
    value: str | None = conf.get("platform", name, fallback=None)
    return value


def airflow_home() -> Path:
    """Return the folder in which Airflow keeps its files."""
    from airflow import settings

    return Path(settings.AIRFLOW_HOME)


def dags_folder() -> Path:
    """Return the folder from which Airflow reads DAGs."""
    from airflow import settings

    return Path(settings.DAGS_FOLDER)


def parsing_timeout() -> timedelta:
    """Return the time after which the DAG processor ends the parsing of a file."""
    return timedelta(seconds=conf.getint("core", "dag_file_processor_timeout"))


def webserver_workers() -> int:
    """Return the number of requests that the webserver of one host handles at a time."""
    return int(conf.getint("webserver", "workers", fallback=4))


def webserver_url() -> str:
    """Return the address of the webserver, without a slash at its end, as configured or by default."""
    return str(conf.get("webserver", "base_url")).rstrip("/")


def public_url() -> str | None:
    """Return the address of the webserver if the operator has configured one, else None."""
    given = str(conf.get("webserver", "base_url", fallback="")).rstrip("/")
    default = str(conf.get_default_value("webserver", "base_url") or "").rstrip("/")
    return None if given in {"", default} else given


def max_page_size() -> int:
    """Return the largest page of a list that the API returns."""
    return int(conf.getint("api", "maximum_page_limit", fallback=100))


def serves_api_page() -> bool:
    """Return whether the webserver shows a page on which users try the API."""
    return bool(conf.getboolean("webserver", "enable_swagger_ui", fallback=True))


def accepts_sessions() -> bool:
    """Return whether the API accepts the session of a browser."""
    return "auth.backend.session" in conf.get("api", "auth_backends")


def accepts_passwords() -> bool:
    """Return whether the API accepts a user name and a password (RFC 7617)."""
    return "auth.backend.basic_auth" in conf.get("api", "auth_backends")


def may_test_connections() -> bool:
    """Return whether users may test connections from the webserver; not by default."""
    return str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower() == "enabled"


def mail_timeout() -> timedelta:
    """Return the longest time that Airflow takes to send one mail, with all of its attempts."""
    attempts = conf.getint("smtp", "smtp_retry_limit", fallback=5)
    return timedelta(seconds=attempts * conf.getint("smtp", "smtp_timeout", fallback=30))
