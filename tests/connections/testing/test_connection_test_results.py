"""Results of connection tests."""

import pytest

from airflow_platform_plugin.connections.testing import results


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (
            'connection to server at "10.0.0.1" failed: FATAL:  password authentication failed for user "x"',
            "Login or password is wrong.",
        ),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x"', "The server refuses this client."),
        ("1049 (42000): Unknown database 'x'", "The database does not exist."),
        ("401:Unauthorized", "Login or password is wrong."),
        ("403:Forbidden", "The server refuses this client."),
        ("500:Internal Server Error", "The server answers with an error."),
        ("[Errno 113] No route to host", "There is no route to the host."),
        (
            "SSL: CERTIFICATE_VERIFY_FAILED",
            "The server's certificate is not trusted, or it does not speak TLS.",
        ),
        ("timeout expired", "The host does not answer."),
        ("something about hunter2 at 10.0.0.1", results.UNKNOWN),
    ],
)
def test_drivers_messages_become_a_kind_of_failure(detail: str, message: str) -> None:
    """The message of the result repeats nothing of the driver's."""
    assert results.make_failure(detail).message == message
