"""Login with a browser, for a program that cannot keep a secret.

This is the authorization code grant of OAuth 2.0 (RFC 6749, section 4.1) with PKCE (RFC 7636) and a loopback
redirect: the browser returns to a port of this machine (RFC 8252, section 7.3).
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
from airflow_platform_cli.output import print_message

CLIENT_ID = "airflow-cli"
LOGIN_TIMEOUT = 300.0  # seconds
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>airflow-cli</title>
<p style="font-family: sans-serif">{}</p>
"""


class LoginStore(TokenStore):
    """Stores the tokens of one platform in the configuration file.

    Args:
        base_url: The platform.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def lock(self) -> AbstractContextManager[None]:
        """Keep other commands from renewing the tokens inside a ``with`` block."""
        return config_file.lock()

    def load(self) -> Token | None:
        """Return the tokens, if the login is for this platform."""
        login = config_file.read().login
        return login.token if login and login.base_url == self._base_url else None

    def save(self, token: Token) -> None:
        """Store new tokens."""
        login = Login(base_url=self._base_url, token=token)
        config_file.write(config_file.read().model_copy(update={"login": login}))


def create_client(base_url: str) -> PlatformClient:
    """Return a client with the login's credentials; other credentials in the environment do not count."""
    return PlatformClient(base_url, client_id=CLIENT_ID, tokens=LoginStore(base_url))


def log_in(base_url: str, scopes: Sequence[str] | None, *, browser: bool) -> Token:
    """Ask the user to log in with a browser, and return the tokens.

    Args:
        base_url: The platform.
        scopes: Scopes to request; None for all scopes that the client may have.
        browser: Whether to open the browser. Otherwise only the URL is printed.

    Raises:
        CommandError: The user refuses, or does not answer in time.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with _serve_callback(state) as (redirect_uri, callbacks):
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
        print_message(f"Log in with a browser on this machine: {url}")
        if browser:
            webbrowser.open(url)
        try:
            callback = callbacks.get(timeout=LOGIN_TIMEOUT)
        except Empty:
            raise CommandError(
                f"Nobody logged in within {LOGIN_TIMEOUT:.0f} s; run airflow-cli login again"
            ) from None
    if "error" in callback:
        reason = callback.get("error_description") or callback["error"]
        raise CommandError(f"The platform refused the login: {reason}")
    with create_client(base_url) as client:
        return client.oauth.exchange_code(
            client_id=CLIENT_ID,
            code=callback.get("code", ""),
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )


def log_out(login: Login) -> None:
    """End a login on the platform, with all its tokens."""
    token = login.token.refresh_token or login.token.access_token
    with create_client(login.base_url) as client:
        client.oauth.revoke(client_id=CLIENT_ID, token=token)


@contextmanager
def _serve_callback(state: str) -> Iterator[tuple[str, SimpleQueue[dict[str, str]]]]:
    """Listen on a free port; yield the redirect URI and a queue of the query parameters that arrive there."""
    callbacks: SimpleQueue[dict[str, str]] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            if url.path != "/callback":
                self._respond(HTTPStatus.NOT_FOUND, "There is no such page.")
            elif not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
                # Another site sent the browser here, not the platform (RFC 6749, section 10.12).
                text = "This response belongs to another login. airflow-cli is still waiting for its own."
                self._respond(HTTPStatus.BAD_REQUEST, text)
            else:
                self._respond(HTTPStatus.OK, "Go back to the terminal. You can close this window.")
                callbacks.put(query)

        def _respond(self, status: HTTPStatus, text: str) -> None:
            page = PAGE.format(text).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Log nothing: the request line contains the code."""

    # With threads, because browsers open connections that they do not use.
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/callback", callbacks
        finally:
            server.shutdown()
            thread.join()
