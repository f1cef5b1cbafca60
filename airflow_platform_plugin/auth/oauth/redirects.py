"""Check redirect URIs at registration, and compare them in requests. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH = 2000
_LOOPBACK_HOSTS = {"127.0.0.1", "::1", "localhost"}
# RFC 3986's characters except for the fragment's "#".
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")
# Any port is allowed for a loopback IP address (RFC 8252 §7.3). "localhost" may be another machine.
_LOOPBACK_IP = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?([/?].*)?")


def problem(uri: str, *, public: bool) -> str | None:
    """Return why a client cannot register the redirect URI, or None if it can."""
    if "#" in uri:
        return "must have no fragment (RFC 6749 §3.1.2)"
    parts = _parts(uri)
    if parts is None or "@" in parts.netloc:
        return "must be an absolute URI without a user"
    match parts.scheme:
        case "https":
            wrong = None if parts.hostname else "must name a host"
        case "http":
            local = parts.hostname in _LOOPBACK_HOSTS
            wrong = None if local else "must be https, except for 127.0.0.1, [::1] and localhost"
        case scheme if "." in scheme:
            wrong = None if public else "an app's own scheme is for public clients"
        case _:
            wrong = "must be https, or an app's own scheme such as com.example.app (RFC 8252 §7.1)"
    return wrong


def match(registered: Iterable[str], uri: str) -> bool:
    """Return whether the URI is registered: the same text, except for the port of a loopback IP address."""
    if len(uri) > MAX_LENGTH or _parts(uri) is None:
        return False
    return any(uri == known or _portless(uri) == _portless(known) for known in registered)


def _portless(uri: str) -> str:
    loopback = _LOOPBACK_IP.fullmatch(uri)
    return uri if loopback is None else loopback[1] + (loopback[2] or "")


def _parts(uri: str) -> SplitResult | None:
    if not _CHARACTERS.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        # Parsed lazily: a wrong port raises here.
        wrong = parts.port == 0 or (parts.hostname is None and parts.netloc != "")
        wrong = wrong or ("[" in parts.netloc and not _IPV6.fullmatch(parts.netloc))
    except ValueError:
        return None
    return None if wrong else parts
