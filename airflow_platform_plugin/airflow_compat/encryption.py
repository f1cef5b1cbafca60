"""Encryption with the Fernet keys of Airflow's configuration."""


def encrypt(secret: str) -> str:
    """Encrypt a text with the first key."""
    from airflow.models.crypto import get_fernet

    return str(get_fernet().encrypt(secret.encode()).decode())


def decrypt(token: str) -> str:
    """Decrypt a text that was encrypted with any of the keys.

    Raises:
        cryptography.fernet.InvalidToken: none of the keys decrypts it.
    """
    from airflow.models.crypto import get_fernet

    return str(get_fernet().decrypt(token.encode()).decode())


def rotate(token: str) -> str:
    """Encrypt an encrypted text with the first key.

    Raises:
        cryptography.fernet.InvalidToken: none of the keys decrypts it.
    """
    from airflow.models.crypto import get_fernet

    return str(get_fernet().rotate(token.encode()).decode())


def has_key() -> bool:
    """Return whether the configuration has a key; without one nothing is encrypted."""
    from airflow.models.crypto import get_fernet

    return bool(getattr(get_fernet(), "is_encrypted", False))
