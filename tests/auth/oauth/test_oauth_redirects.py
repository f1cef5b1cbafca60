"""Redirect URIs."""

import pytest

from airflow_platform_plugin.auth.oauth import redirects


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback",
        "https://app.example.com:8443/callback?tenant=a",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:8000/callback",
        "http://[::1]/callback",
        "http://localhost:3000/callback",
    ],
)
def test_every_client_can_register_https_and_loopback_uris(uri: str) -> None:
    assert redirects.problem(uri, public=True) is None
    assert redirects.problem(uri, public=False) is None


def test_only_public_clients_can_register_an_apps_own_scheme() -> None:
    assert redirects.problem("com.example.app:/callback", public=True) is None
    assert redirects.problem("com.example.app:/callback", public=False) is not None


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://app.example.com/callback", "must be https"),
        ("http://127.0.0.1.example.com/callback", "must be https"),
        ("http://127.0.0.2/callback", "must be https"),
        ("http:///callback", "must be https"),
        ("https:///callback", "must name a host"),
        ("https://app.example.com/#", "fragment"),
        ("https://app.example.com/callback#token", "fragment"),
        ("https://user@app.example.com/", "user"),
        ("https://[::1/", "URI"),
        ("https://app.example.com:x/", "URI"),
        ("https://app.example.com:65536/", "URI"),
        ("https://app.example.com:0/", "URI"),
        ("https://[::1]x/", "URI"),
        ("https://[::g]/", "URI"),
        ("https://:443/", "URI"),
        ("https://app.example.com/\n", "URI"),
        ("https://app.example.com/a b", "URI"),
        ("https://app.example.com\\@evil.example.com/", "URI"),
        ("https://äpp.example.com/", "URI"),
        ("javascript:alert(1)", "must be https"),
        ("data:text/html,x", "must be https"),
        ("myapp:/callback", "must be https"),
        ("urn:ietf:wg:oauth:2.0:oob", "must be https"),
        ("/callback", "must be https"),
        ("//app.example.com/callback", "must be https"),
        ("", "URI"),
    ],
)
def test_an_unsafe_redirect_uri_cannot_be_registered(uri: str, why: str) -> None:
    assert why in (redirects.problem(uri, public=True) or "")


@pytest.mark.parametrize(
    ("registered", "uri", "matches"),
    [
        ("https://app.example.com/callback", "https://app.example.com/callback", True),
        ("https://app.example.com/callback", "https://app.example.com/callback/", False),
        ("https://app.example.com/callback", "https://app.example.com/callback?a=b", False),
        ("https://app.example.com/callback", "https://app.example.com:8443/callback", False),
        ("https://app.example.com/callback", "https://APP.example.com/callback", False),
        ("https://app.example.com/callback", "https://app.example.com/callback/../evil", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:54321/callback", True),
        ("http://127.0.0.1:8000/callback", "http://127.0.0.1:54321/callback", True),
        ("http://[::1]/callback", "http://[::1]:54321/callback", True),
        ("http://127.0.0.1", "http://127.0.0.1:54321", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:54321/other", False),
        ("http://127.0.0.1/callback", "http://[::1]:54321/callback", False),
        ("http://127.0.0.1/callback", "https://127.0.0.1:54321/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:80@evil.example.com/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1.evil.example.com/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:65535/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:65536/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:99999/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:0/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:00000/callback", False),
        ("http://[::1]/callback", "http://[::1]:99999/callback", False),
        ("http://[::1]/callback", "http://[::1:80/callback", False),
        ("http://127.0.0.1/" + "a" * 1983, "http://127.0.0.1:8000/" + "a" * 1983, False),
        ("http://localhost:3000/callback", "http://localhost:54321/callback", False),
        ("https://127.0.0.1/callback", "https://127.0.0.1:54321/callback", False),
    ],
)
def test_only_the_port_of_a_loopback_ip_address_may_differ(
    registered: str, uri: str, *, matches: bool
) -> None:
    """RFC 8252 §7.3; everything else must be the same text."""
    assert redirects.match(["https://other.example.com/", registered], uri) is matches
