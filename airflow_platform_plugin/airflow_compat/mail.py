"""Mail, through the backend that Airflow is configured with."""

import warnings
from collections.abc import Sequence


def send(addresses: Sequence[str], subject: str, html: str) -> None:
    """Send one mail.

    Raises:
        Exception: any error of the mail backend.
    """
    from airflow.utils.email import send_email

    with warnings.catch_warnings():
        # Airflow warns with each mail if the server needs no password.
        warnings.simplefilter("ignore", DeprecationWarning)
        send_email(list(addresses), subject, html)
