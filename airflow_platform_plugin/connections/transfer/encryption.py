"""Secrets under a passphrase: AES-256-GCM (NIST SP 800-38D) with a key from scrypt (RFC 7914). Pure.

scrypt's cost is one of those that OWASP's Password Storage Cheat Sheet names; it takes 32 MiB of memory.
Everything about how it was made stands in the envelope, and is authenticated with the rest.
"""

import base64
import binascii
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FORMAT = "airflow-platform-connections/1"
_COST = {"n": 2**15, "r": 8, "p": 3}
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 32, 16, 12

Envelope = dict[str, Any]


def encrypt(document: dict[str, Any], passphrase: str) -> Envelope:
    """The document, readable with the passphrase alone."""
    header: Envelope = {
        "format": FORMAT,
        "kdf": {"name": "scrypt", "salt": _text(os.urandom(_SALT_BYTES)), **_COST},
        "cipher": {"name": "AES-256-GCM", "nonce": _text(os.urandom(_NONCE_BYTES))},
    }
    plain = json.dumps(document).encode()
    sealed = _cipher(header, passphrase).encrypt(
        _bytes(header["cipher"]["nonce"]), plain, _associated(header)
    )
    return {**header, "ciphertext": _text(sealed)}


def is_encrypted(document: dict[str, Any]) -> bool:
    """Whether it is an envelope rather than connections."""
    return isinstance(document.get("ciphertext"), str) and isinstance(document.get("format"), str)


def decrypt(envelope: Envelope, passphrase: str) -> dict[str, Any]:
    """What was sealed.

    Raises:
        ValueError: the envelope is of another kind, or has been changed, or the passphrase is wrong.
    """
    try:
        header: Envelope = {
            "format": FORMAT,
            "kdf": {"name": "scrypt", "salt": envelope["kdf"]["salt"], **_COST},
            "cipher": {"name": "AES-256-GCM", "nonce": envelope["cipher"]["nonce"]},
        }
        # Our own cost, and no other: one that an envelope chose could take all memory.
        if {name: envelope[name] for name in header} != header or set(envelope) != {*header, "ciphertext"}:
            raise ValueError("is not sealed as this version of the platform does")
        nonce, ciphertext = _bytes(header["cipher"]["nonce"]), _bytes(envelope["ciphertext"])
        plain = _cipher(header, passphrase).decrypt(nonce, ciphertext, _associated(header))
    except InvalidTag as error:
        raise ValueError("is sealed with another passphrase, or has been changed") from error
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("is not sealed as this version of the platform does") from error
    document: dict[str, Any] = json.loads(plain)
    return document


def _cipher(header: Envelope, passphrase: str) -> AESGCM:
    derivation = Scrypt(salt=_bytes(header["kdf"]["salt"]), length=_KEY_BYTES, **_COST)
    return AESGCM(derivation.derive(passphrase.encode()))


def _associated(header: Envelope) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
