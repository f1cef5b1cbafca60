"""Encrypted columns, and the rotation of Airflow's Fernet key."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from airflow.models import crypto as airflow_crypto
from airflow.models.crypto import NullFernet
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import select, update

from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.core.feature import load_models
from airflow_platform_plugin.webhooks.models import Webhook

load_models()
OLD, NEW = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Airflow have those keys."""

    def use(*fernets: Fernet) -> None:
        several: Any = MultiFernet(fernets)
        several.is_encrypted = True
        monkeypatch.setattr(airflow_crypto, "_fernet", several)

    return use


@pytest.fixture
def webhooks(session: Any, keys: Callable[..., None], call: Callable[..., Any]) -> None:
    """More webhooks than one batch has, under the old key."""
    keys(OLD)
    hook = {"name": "w", "url": "http://127.0.0.1:9/", "events": ["dag.success"], "headers": {"A": "1"}}
    call("POST", "/api/v1/platform/webhooks", json=hook)
    (made,) = session.scalars(select(Webhook)).all()
    columns = {column.name: getattr(made, column.name) for column in Webhook.__table__.columns}
    rows = [columns | {"webhook_id": f"wh_{number}"} for number in range(2 * crypto._BATCH)]
    session.execute(Webhook.__table__.insert(), rows)
    session.expire_all()


def test_every_encrypted_column_is_found() -> None:
    """By its name, so that a new column is rotated too."""
    known = {f"{column.table.name}.{column.name}" for column in crypto.encrypted_columns()}
    assert known >= {
        "platform_webhook.encrypted_secret",
        "platform_webhook.encrypted_headers",
        "platform_deployment_revision.encrypted_secrets",
        "platform_idempotency_key.encrypted_answer",
    }


def test_a_rotation_leaves_nothing_under_the_old_key(
    session: Any, webhooks: None, keys: Callable[..., None]
) -> None:
    """Nothing else of the rows changes. Values that no key decrypts stay as they are and are counted."""
    session.execute(update(Webhook).where(Webhook.webhook_id == "wh_7").values(encrypted_secret="none"))
    before = {row.webhook_id: row.row_version for row in session.scalars(select(Webhook))}
    keys(NEW, OLD)
    done = {found.column: found for found in crypto.rotate()}
    assert done["platform_webhook.encrypted_secret"][1:] == (2 * crypto._BATCH, 1)
    assert done["platform_webhook.encrypted_headers"][1:] == (2 * crypto._BATCH + 1, 0)
    keys(NEW)
    session.expire_all()
    rows = session.scalars(select(Webhook)).all()
    assert {row.webhook_id: row.row_version for row in rows} == before
    assert all(row.headers == {"A": "1"} for row in rows)
    assert {row.webhook_id for row in rows if row.encrypted_secret == "none"} == {"wh_7"}
    # Other tables may have rows of tests that ran before, whose key this one does not know.
    unreadable = {found.column: found.unreadable for found in crypto.examine()}
    assert unreadable["platform_webhook.encrypted_secret"] == 1
    assert unreadable["platform_webhook.encrypted_headers"] == 0


def test_without_a_key_there_is_nothing_to_rotate(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_crypto, "_fernet", NullFernet())
    with pytest.raises(ValueError, match="fernet_key is empty"):
        crypto.rotate()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_platform_plugin", *arguments]
    return subprocess.run(
        command, env=os.environ, capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_command_says_what_it_has_done(app: Any) -> None:
    done = run("rotate-fernet-key")
    assert done.returncode == 0, done.stderr
    assert "platform_webhook.encrypted_secret: 0 re-encrypted" in done.stdout


def test_a_downgrade_asks_before_it_deletes(app: Any) -> None:
    """It stops if there is no terminal to answer."""
    done = run("db", "downgrade", "--to-revision", "base")
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert run("db", "check").returncode == 0
