"""Secrets: those that are shown again are encrypted with Airflow's key, those that are looked up hashed."""

import hashlib

from airflow.models.crypto import get_fernet

# What ``encrypt`` may be given for a column of type Text: MySQL keeps 65,535 bytes, and encryption takes a
# third more.
LONGEST = 45_000  # bytes


def encrypt(secret: str) -> str:
    """Encrypt with Airflow's Fernet key."""
    return str(get_fernet().encrypt(secret.encode()).decode())


def decrypt(token: str) -> str:
    """Decrypt what ``encrypt`` made, also under an older one of Airflow's Fernet keys."""
    return str(get_fernet().decrypt(token.encode()).decode())


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal. Enough for secrets of 256 random bits, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).hexdigest()
