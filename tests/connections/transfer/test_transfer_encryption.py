"""The envelope of an export with secrets."""

import json

import pytest

from airflow_platform_plugin.connections.transfer import encryption

PASSPHRASE = "correct horse battery staple"


def test_an_envelope_opens_with_its_passphrase_only() -> None:
    """A changed envelope does not open, and a higher cost than our own is not tried."""
    document = {"c": {"password": "hunter2"}}
    envelope = encryption.encrypt(document, PASSPHRASE)
    assert encryption.is_encrypted(envelope)
    assert not encryption.is_encrypted(document)
    assert encryption.decrypt(json.loads(json.dumps(envelope)), PASSPHRASE) == document
    assert encryption.encrypt(document, PASSPHRASE)["ciphertext"] != envelope["ciphertext"]
    flipped = "B" if envelope["ciphertext"][0] == "A" else "A"
    for changed in (
        envelope | {"ciphertext": flipped + envelope["ciphertext"][1:]},
        envelope | {"ciphertext": "not base64"},
        envelope | {"format": "airflow-platform-connections/2"},
        envelope | {"kdf": envelope["kdf"] | {"n": 2**30}},
        envelope | {"kdf": {}},
        envelope | {"more": 1},
        {"format": "x", "ciphertext": "y"},
    ):
        with pytest.raises(ValueError, match=r"format of this version|was changed"):
            encryption.decrypt(changed, PASSPHRASE)
    with pytest.raises(ValueError, match="another passphrase"):
        encryption.decrypt(envelope, PASSPHRASE + "!")


def test_an_envelope_can_be_decrypted_without_the_platform() -> None:
    """Its header and standard functions suffice, as docs/connections.md shows."""
    import base64
    import hashlib

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    envelope = encryption.encrypt({"c": {}}, PASSPHRASE)
    kdf = envelope["kdf"]
    key = hashlib.scrypt(
        PASSPHRASE.encode(),
        salt=base64.b64decode(kdf["salt"]),
        n=kdf["n"],
        r=kdf["r"],
        p=kdf["p"],
        maxmem=2**27,
        dklen=32,
    )
    header = {name: envelope[name] for name in ("format", "kdf", "cipher")}
    opened = AESGCM(key).decrypt(
        base64.b64decode(envelope["cipher"]["nonce"]),
        base64.b64decode(envelope["ciphertext"]),
        json.dumps(header, sort_keys=True, separators=(",", ":")).encode(),
    )
    assert json.loads(opened) == {"c": {}}
