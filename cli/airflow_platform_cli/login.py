"""Logging in with a browser, as a program that cannot keep a secret.

It is the authorization code grant of OAuth 2.0 (RFC 6749, section 4.1) with PKCE (RFC 7636), which brings the
browser back to a port of this machine's own (RFC 8252, section 7.3).
"""

import base64
import hashlib
import hmac
import secrets
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from socketserver import ThreadingTCPServer
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

from airflow_platform import PlatformClient, Token, TokenStore

from airflow_platform_cli import config_file
from airflow_platform_cli.config_file import Login
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import note

CLIENT_ID = "airflow-cli"
PATIENCE = 300.0
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>airflow-cli</title>
<p style="font-family: sans-serif">{}</p>
"""


class LoginStore(TokenStore):
    """Keeps the tokens for one platform in the settings file."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def lock(self) -> AbstractContextManager[None]:
        """Keep other commands from renewing the tokens meanwhile."""
        return config_file.locked()

    def load(self) -> Token | None:
        """The tokens, if the login is one for this platform."""
        login = config_file.read().login
        return login.token if login and login.base_url == self._base_url else None

    def save(self, token: Token) -> None:
        """Keep new tokens."""
        login = Login(base_url=self._base_url, token=token)
        config_file.write(config_file.read().model_copy(update={"login": login}))


def platform(base_url: str) -> PlatformClient:
    """A client that acts as whoever has logged in, whatever the environment says."""
    return PlatformClient(base_url, client_id=CLIENT_ID, tokens=LoginStore(base_url))


def log_in(base_url: str, scopes: Sequence[str] | None, *, browser: bool) -> Token:
    """Have the user let this program in, in a browser, and return the tokens.

    Raises:
        CommandError: The user refuses, or does not answer in time.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with _callbacks(state) as (redirect_uri, callbacks):
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if scopes:
            query["scope"] = " ".join(scopes)
        url = f"{base_url}/oauth/authorize?{urlencode(query)}"
        note(f"Log in with a browser on this machine: {url}")
        if browser:
            webbrowser.open(url)
        try:
            answer = callbacks.get(timeout=PATIENCE)
        except Empty:
            raise CommandError(f"Nobody has logged in within {PATIENCE:.0f} s") from None
    if "error" in answer:
        raise CommandError(
            f"The platform let nobody in: {answer.get('error_description') or answer['error']}"
        )
    with platform(base_url) as client:
        return client.oauth.exchange_code(
            client_id=CLIENT_ID,
            code=answer.get("code", ""),
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )


def log_out(login: Login) -> None:
    """Have the platform end a login, with every token of it."""
    token = login.token.refresh_token or login.token.access_token
    with platform(login.base_url) as client:
        client.oauth.revoke(client_id=CLIENT_ID, token=token)


@contextmanager
def _callbacks(state: str) -> Iterator[tuple[str, SimpleQueue[dict[str, str]]]]:
    """A port of this machine's own, and what the browser brings back to it."""
    answers: SimpleQueue[dict[str, str]] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            if url.path != "/callback":
                self._say(HTTPStatus.NOT_FOUND, "There is nothing here.")
            elif not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
                # Whoever has sent the browser here is not the platform that was asked.
                self._say(HTTPStatus.BAD_REQUEST, "This belongs to another login; airflow-cli still waits.")
            else:
                self._say(HTTPStatus.OK, "Go back to the terminal; this window can be closed.")
                answers.put(query)

        def _say(self, status: HTTPStatus, text: str) -> None:
            page = PAGE.format(text).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing on the terminal, least of all the code."""

    # Threads, because browsers open connections that they do not use.
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/callback", answers
        finally:
            server.shutdown()
            thread.join()
