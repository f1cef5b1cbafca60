# Written by scripts/unasync from the file of this name in _async; change that one.
"""The platform as an OAuth 2.0 server, for programs that log users in."""

from airflow_platform import _http
from airflow_platform._sync.session import Resource
from airflow_platform.tokens import Token


class OAuth(Resource):
    """``client.oauth``; nothing here sends the client's own credentials."""

    def exchange_code(
        self, *, client_id: str, code: str, code_verifier: str, redirect_uri: str
    ) -> Token:
        """The tokens for what the browser brought back (RFC 6749, section 4.1.3; RFC 7636, section 4.5)."""
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        response = self._session.send("POST", _http.TOKEN_PATH, repeatable=False, data=form)
        return _http.parse(Token, response)

    def revoke(self, *, client_id: str, token: str) -> None:
        """End a login by its refresh token, or only an access token (RFC 7009)."""
        form = {"client_id": client_id, "token": token}
        self._session.send("POST", _http.REVOKE_PATH, repeatable=True, data=form)
