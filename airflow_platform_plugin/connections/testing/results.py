"""Results of connection tests. Pure.

A hook's message may contain hosts, users, paths and even a password. So the caller gets the kind of the
failure only, and the server's log gets the message.
"""

import re
from typing import NamedTuple

SUCCESS, FAILED, UNSUPPORTED = "success", "failed", "unsupported"
_LONGEST_DETAIL = 2000
SUCCESSFUL = "Connection successfully tested"
UNKNOWN = "The test failed; the server's log has the details under this request id."

# In this order, because drivers append the likely cause to a general one.
_PATTERN_TEXTS = {
    "The server lacks a library that this type of connection needs.": (
        r"no module named|do not have `?\w+`? package|is not installed|can't load plugin"
    ),
    "The host's name is unknown.": (
        r"could not translate host name|name or service not known|nodename nor servname|name resolution"
        r"|name does not resolve|getaddrinfo failed|unknown \w* ?server host|failed to resolve"
        r"|no address associated|error -[235]\b|\(-[235], "
    ),
    "Login or password is wrong.": (
        r"authentication failed|no password supplied|access denied|wrongpass|noauth|invalid credentials"
        r"|invalid username|incorrect (user|login|password)|login (incorrect|failed)"
        r"|role .{0,200} does not exist|authentication (is )?required|unauthorized|\b401\b|\b535\b|\b530\b"
    ),
    "The server refuses this client.": r"pg_hba\.conf|not allowed to connect|forbidden|\b403\b",
    "The database does not exist.": (
        r"database .{0,200} does not exist|unknown database|invalid catalog|db index is out of range"
    ),
    "The file cannot be opened.": (
        r"unable to open database file|no such file|is not a database|cannot open file"
    ),
    "The server's certificate is not trusted, or it does not speak TLS.": (
        r"certificate|ssl|tls|wrong version number"
    ),
    "Nothing listens at this host and port.": (
        r"connection refused|econnrefused|actively refused|\(111\b|errno 111|\(2003"
    ),
    "The host does not answer.": r"timed? ?out|timeout|\(110\b|errno 110",
    "There is no route to the host.": r"no route to host|network is unreachable|host is down|\(113\b",
    "The server ended the connection.": (
        r"connection reset|closed the connection|server closed|connection aborted|remote end closed"
        r"|lost connection|broken pipe|protocol error|unexpected response|bad response|badstatusline"
    ),
    "The server answers with an error.": r"\b(4|5)\d\d:|\bserver error\b",
}
_PATTERNS = {message: re.compile(pattern, re.IGNORECASE) for message, pattern in _PATTERN_TEXTS.items()}


class TestResult(NamedTuple):
    """The result of a test.

    Attributes:
        status: ``success``, ``failed`` or ``unsupported``.
        message: what the caller gets.
        latency_ms: how long the host took to answer; None if it was not asked.
        detail: the hook's message, for the server's log only.
    """

    status: str
    message: str
    latency_ms: int | None = None
    detail: str = ""


def make_failure(detail: str, latency_ms: int | None = None) -> TestResult:
    """Return the result of a test that failed with that message."""
    detail = detail[:_LONGEST_DETAIL]  # a server may send a message of any length
    return TestResult(FAILED, classify(detail), latency_ms, detail)


def classify(detail: str) -> str:
    """Return a sentence about the kind of failure that a message reports."""
    return next((message for message, pattern in _PATTERNS.items() if pattern.search(detail)), UNKNOWN)
