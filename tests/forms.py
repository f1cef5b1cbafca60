"""Submit Airflow's forms as a browser does."""

from typing import Any


def form_token(page: str) -> str:
    """Return the CSRF token of a form."""
    field = page.split('name="csrf_token"', 1)[1]
    return field.split('value="', 1)[1].split('"', 1)[0]


def log_in(app: Any, name: str) -> Any:
    """Return a client with a browser's session; a user's password is the user's name."""
    app.appbuilder.sm.limiter.reset()  # only five logins in 40 seconds
    client = app.test_client()
    token = form_token(client.get("/login/").get_data(as_text=True))
    answer = client.post("/login/", data={"username": name, "password": name, "csrf_token": token})
    assert answer.status_code == 302
    return client
