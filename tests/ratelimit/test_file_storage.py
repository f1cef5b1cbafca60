"""The counter file, with real processes, crashes and damage."""

import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_platform_plugin.ratelimit import file_storage
from airflow_platform_plugin.ratelimit.file_storage import FileStorage

FORK = multiprocessing.get_context("fork")  # as gunicorn does


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "platform" / "counters"


@pytest.fixture
def storage(path: Path) -> FileStorage:
    return FileStorage(f"platform-file://{path}")


def in_a_bucket_with(key: str, amount: int) -> list[str]:
    """Yield keys with counters in the same bucket as the counter of ``key``."""

    def bucket(text: str) -> int:
        return int.from_bytes(file_storage._digest(text)[:4], "little") % file_storage.BUCKETS

    found: list[str] = []
    number = 0
    while len(found) < amount:
        number += 1
        if bucket(f"other-{number}") == bucket(key):
            found.append(f"other-{number}")
    return found


# --- windows ---


def test_a_window_begins_with_the_first_count_and_ends_after_its_seconds(
    storage: FileStorage, clock: Callable[[float], None]
) -> None:
    assert [storage.incr("k", 60), storage.incr("k", 60, amount=2)] == [1, 3]
    ends = storage.get_expiry("k")
    clock(59.9)
    assert (storage.get("k"), storage.get_expiry("k")) == (3, ends)
    clock(0.1)
    assert storage.get("k") == 0
    assert storage.incr("k", 60) == 1
    assert storage.get_expiry("k") == ends + 60


def test_an_unknown_counter_is_zero_and_ends_now(
    storage: FileStorage, clock: Callable[[float], None]
) -> None:
    assert (storage.get("k"), storage.get_expiry("k")) == (0, 1_800_000_000.0)


def test_a_clock_that_was_set_back_starts_a_new_window(
    storage: FileStorage, clock: Callable[[float], None]
) -> None:
    """Otherwise a caller without requests left would wait until the clock catches up."""
    storage.incr("k", 60)
    clock(-3600)
    assert storage.incr("k", 60) == 1


def test_one_counter_or_all_can_be_deleted(storage: FileStorage) -> None:
    for key in ("a", "b", "c"):
        storage.incr(key, 60)
    storage.clear("a")
    storage.clear("never counted")
    assert [storage.get(key) for key in ("a", "b", "c")] == [0, 1, 1]
    storage.reset()
    assert [storage.get(key) for key in ("a", "b", "c")] == [0, 0, 0]


def test_a_count_stops_at_the_largest_number(storage: FileStorage) -> None:
    storage.incr("k", 60, amount=2**32 - 2)
    assert storage.incr("k", 60, amount=5) == storage.incr("k", 60) == 2**32 - 1


# --- a table of fixed size ---


def test_counters_of_one_bucket_do_not_share_a_count(storage: FileStorage) -> None:
    keys = ["k", *in_a_bucket_with("k", file_storage.SLOTS - 1)]
    for number, key in enumerate(keys, start=1):
        storage.incr(key, 60, amount=number)
    assert [storage.get(key) for key in keys] == list(range(1, file_storage.SLOTS + 1))


def test_a_new_counter_replaces_the_lowest_one_in_a_full_bucket(
    storage: FileStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers with many addresses replace each other, and not a key that is near its limit."""
    caplog.set_level(logging.WARNING, logger=file_storage.__name__)
    storage.incr("busy", 60, amount=900)
    strangers = in_a_bucket_with("busy", 100)
    for stranger in strangers:
        assert storage.incr(stranger, 60) == 1
    assert storage.incr("busy", 60) == 901
    assert sum(storage.get(stranger) for stranger in strangers) == file_storage.SLOTS - 1
    assert len([record for record in caplog.records if "is full" in record.getMessage()]) == 1


def test_ended_windows_are_replaced_first(storage: FileStorage, clock: Callable[[float], None]) -> None:
    old = in_a_bucket_with("k", file_storage.SLOTS)
    for key in old[1:]:
        storage.incr(key, 10, amount=100)
    storage.incr(old[0], 3600)
    clock(10)
    storage.incr("k", 60)
    assert (storage.get(old[0]), storage.get("k")) == (1, 1)


def test_the_file_does_not_grow_with_the_number_of_callers(storage: FileStorage, path: Path) -> None:
    for number in range(20_000):
        storage.incr(f"caller-{number}", 60)
    assert path.stat().st_size <= file_storage.BUCKETS * file_storage.SLOTS * 32


# --- concurrency ---


def count(storage: FileStorage, times: int) -> None:
    for _ in range(times):
        storage.incr("k", 3600)


def count_in_threads(storage: FileStorage, times: int) -> None:
    threads = [threading.Thread(target=count, args=(storage, times)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_processes_and_threads_count_together_exactly(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four processes with two threads each, forked with the file open, count on one counter."""
    monkeypatch.setattr(file_storage, "LOCK_TIMEOUT", 60.0)  # the machine may be busy
    storage.incr("k", 3600)
    processes = [FORK.Process(target=count_in_threads, args=(storage, 1000)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert storage.get("k") == 8001


def test_a_process_forked_while_a_thread_counts_can_count(storage: FileStorage) -> None:
    """A copied lock without its owner would never be released."""
    with storage._threads_locked():
        child = FORK.Process(target=count, args=(storage, 1))
        child.start()
        child.join(30)
    assert child.exitcode == 0
    assert storage.get("k") == 1


# --- crashes ---


def hold(storage: FileStorage, ready: Any) -> None:
    with storage._locked(file_storage._digest("k")):
        ready.set()
        time.sleep(60)


@pytest.fixture
def holder(storage: FileStorage) -> Any:
    """Start a process that keeps the bucket of ``k`` locked."""
    storage.incr("k", 3600)
    ready = FORK.Event()
    process = FORK.Process(target=hold, args=(storage, ready))
    process.start()
    assert ready.wait(30)
    yield process
    process.kill()
    process.join()


def test_a_process_that_dies_with_a_lock_blocks_no_other(storage: FileStorage, holder: Any) -> None:
    holder.kill()
    holder.join()
    assert storage.incr("k", 3600) == 2


def test_a_process_that_hangs_with_a_lock_delays_others_only_briefly(
    storage: FileStorage, holder: Any
) -> None:
    """They get an error, and the limiter lets them pass. Other counters are not affected."""
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        storage.incr("k", 3600)
    assert storage.incr("another", 3600) == 1


def test_a_half_written_slot_is_free_and_the_others_stay(storage: FileStorage, path: Path) -> None:
    neighbour = in_a_bucket_with("k", 1)[0]
    storage.incr("k", 60, amount=5)
    storage.incr(neighbour, 60, amount=7)
    data = bytearray(path.read_bytes())
    start = data.index(file_storage._digest("k"))
    data[start + 20 : start + 28] = b"\xff" * 8
    path.write_bytes(data)
    assert storage.incr("k", 60) == 1
    assert storage.get(neighbour) == 7


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_a_damaged_file_starts_new_counts(storage: FileStorage, path: Path, size: int) -> None:
    """The file is emptied, truncated or overwritten; nothing fails, and later counts are correct."""
    storage.incr("k", 60, amount=5)
    path.write_bytes(random.Random(size).randbytes(size))  # noqa: S311 - noise
    assert [storage.incr("k", 60), storage.incr("k", 60), storage.get("k")] == [1, 2, 2]


def test_a_deleted_file_is_created_again_and_every_process_uses_it(storage: FileStorage, path: Path) -> None:
    storage.incr("k", 3600)
    path.unlink()
    child = FORK.Process(target=count, args=(storage, 2))
    child.start()
    child.join(30)
    assert storage.incr("k", 3600) == 3
    path.unlink()
    path.parent.rmdir()
    assert storage.incr("k", 3600) == 1


def test_only_its_owner_can_read_the_file(storage: FileStorage, path: Path) -> None:
    storage.incr("k", 60)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_file_does_not_follow_a_link(storage: FileStorage, path: Path, tmp_path: Path) -> None:
    """A user who may write to the folder cannot choose which file is overwritten."""
    path.parent.mkdir()
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        storage.incr("k", 60)


# --- the file's path and the check ---


def test_the_file_is_in_airflows_home_unless_the_address_says_otherwise(tmp_path: Path) -> None:
    from airflow.configuration import AIRFLOW_HOME

    assert FileStorage("platform-file://").path == Path(AIRFLOW_HOME) / "platform" / "rate-limits"
    assert FileStorage("platform-file:///a%20path/c").path == Path("/a path/c")


def test_the_check_creates_no_file(storage: FileStorage, path: Path) -> None:
    """The check may run as root, and root would own the file."""
    assert storage.check()
    assert not path.parent.exists()
    storage.incr("k", 60)
    assert storage.check()


def test_the_check_reports_a_path_that_cannot_be_a_file(storage: FileStorage, path: Path) -> None:
    path.mkdir(parents=True)
    assert not storage.check()
    with pytest.raises(OSError, match="directory"):
        storage.incr("k", 60)
