"""The text of API keys and tokens: ``afp_<public id>_<secret><checksum>``. Pure functions.

The checksum is a CRC-32 of all that precedes it. It distinguishes a damaged key from an unknown one without a
query, for the server and for secret scanners (as in GitHub's token format).
"""

import re
import secrets
import string
import zlib
from typing import NamedTuple

API_KEY = "afp"
ACCESS_TOKEN = "afo"  # noqa: S105 - a prefix
REFRESH_TOKEN = "afr"  # noqa: S105 - a prefix

_ALPHABET = string.digits + string.ascii_letters
_ID_LENGTH = 12
_SECRET_LENGTH = 43  # 62**43 > 2**256
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32
_KEY = re.compile(
    rf"({API_KEY}|{ACCESS_TOKEN}|{REFRESH_TOKEN})"
    rf"_(\w{{{_ID_LENGTH}}})_(\w{{{_SECRET_LENGTH}}})(\w{{{_CHECKSUM_LENGTH}}})",
    re.ASCII,
)


class ParsedKey(NamedTuple):
    """A key's parts, without the checksum."""

    prefix: str
    id: str
    secret: str

    def __str__(self) -> str:
        """Return the whole key."""
        start = f"{self.prefix}_{self.id}_{self.secret}"
        return start + _checksum(start)


def generate(prefix: str = API_KEY, public_id: str | None = None) -> ParsedKey:
    """Return a new key, or a new secret for the given id."""
    return ParsedKey(prefix, public_id or _random(_ID_LENGTH), _random(_SECRET_LENGTH))


def parse(text: str) -> ParsedKey | None:
    """Return the parts of a key, or None if the text is not one."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != match[4]:
        return None
    return ParsedKey(match[1], match[2], match[3])


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
