"""Encrypt exports with a passphrase: AES-256-GCM (NIST SP 800-38D) with a key from scrypt (RFC 7914). Pure.

The cost of scrypt is one that OWASP's Password Storage Cheat Sheet recommends; it takes 32 MiB of memory.
The envelope contains all parameters, and authenticates them with the rest.

The envelope is our own and not a JWE (RFC 7516). Users have files in this format and scripts that decrypt
them, and JWE's algorithms for passwords (RFC 7518, 4.8) derive keys with PBKDF2, not with scrypt.
"""

import base64
import binascii
import json
import os
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from airflow_platform_plugin.core.types import Json

FORMAT = "airflow-platform-connections/1"
_COST = {"n": 2**15, "r": 8, "p": 3}
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 32, 16, 12

Envelope: TypeAlias = dict[str, Json]


def encrypt(document: dict[str, Json], passphrase: str) -> Envelope:
    """Return an envelope that only the passphrase opens."""
    header: Envelope = {
        "format": FORMAT,
        "kdf": {"name": "scrypt", "salt": _text(os.urandom(_SALT_BYTES)), **_COST},
        "cipher": {"name": "AES-256-GCM", "nonce": _text(os.urandom(_NONCE_BYTES))},
    }
    plain = json.dumps(document).encode()
    ciphertext = _cipher(header, passphrase).encrypt(
        _bytes(header["cipher"]["nonce"]), plain, _associated(header)
    )
    return {**header, "ciphertext": _text(ciphertext)}


def is_encrypted(document: dict[str, Json]) -> bool:
    """Return whether a document is an envelope, and not connections."""
    return isinstance(document.get("ciphertext"), str) and isinstance(document.get("format"), str)


def decrypt(envelope: Envelope, passphrase: str) -> dict[str, Json]:
    """Return the document of an envelope.

    Raises:
        ValueError: the envelope is in another format or was changed, or the passphrase is wrong.
    """
    try:
        header: Envelope = {
            "format": FORMAT,
            "kdf": {"name": "scrypt", "salt": envelope["kdf"]["salt"], **_COST},
            "cipher": {"name": "AES-256-GCM", "nonce": envelope["cipher"]["nonce"]},
        }
        # Only our own cost: an envelope could choose one that takes all memory.
        if {name: envelope[name] for name in header} != header or set(envelope) != {*header, "ciphertext"}:
            raise ValueError("is not in the format of this version of the platform")
        nonce, ciphertext = _bytes(header["cipher"]["nonce"]), _bytes(envelope["ciphertext"])
        plain = _cipher(header, passphrase).decrypt(nonce, ciphertext, _associated(header))
    except InvalidTag as error:
        raise ValueError("is encrypted with another passphrase, or was changed") from error
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("is not in the format of this version of the platform") from error
    document: dict[str, Json] = json.loads(plain)
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
