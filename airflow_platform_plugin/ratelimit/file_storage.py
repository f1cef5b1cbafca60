"""Counters in one small file that all processes of a host share: a storage of ``limits``.

The file is a hash table: a counter's digest chooses a bucket, and the bucket's slots are searched. A process
locks the bucket, reads it, writes one slot, and unlocks it. The counts are exact with any number of processes
and threads, an operation takes some microseconds, and the file needs no repair:

* The kernel releases the locks of a process that dies. Each slot ends with a checksum. A damaged or
  half-written slot is free, and so are the zeros of a new file.
* The file is read and written, not mapped. If it is truncated, a mapping would end the process (SIGBUS); a
  read returns zeros.
* A deleted file is created again by the next operation. Each operation checks that its open file still has
  that name, so other processes follow.
* The size is fixed. In a full bucket, a new counter replaces the one with the lowest count.
"""

import errno
import fcntl
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote, urlsplit

from limits.storage import Storage

from airflow_platform_plugin.airflow_compat import config

log = logging.getLogger(__name__)

BUCKETS = 4096
SLOTS = 16  # in each bucket
_FIELDS = struct.Struct("<16sdI")  # the counter's digest, the end of its window (Unix time), the count
_CHECKSUM = struct.Struct("<I")
_SLOT_SIZE = _FIELDS.size + _CHECKSUM.size
_BUCKET_SIZE = SLOTS * _SLOT_SIZE
_MOST = 2**32 - 1

# Others give up after this time if a process was stopped while it held a lock.
LOCK_TIMEOUT = 0.1  # seconds
_LOCK_PAUSE = 0.00005
_FULL_LOGGED_EVERY = 60.0

_clock = time.time


class Bucket:
    """The slots of one bucket, as they were read. Pure."""

    def __init__(self, data: bytes) -> None:
        self._data = data.ljust(_BUCKET_SIZE, b"\0")

    def find(self, digest: bytes) -> tuple[int, float, int] | None:
        """Return the slot, the end of the window and the count of the digest's counter, or None."""
        start = self._data.find(digest)
        while start != -1:
            slot, odd = divmod(start, _SLOT_SIZE)
            if not odd and (known := self._read(slot)) is not None:
                return slot, known[1], known[2]
            start = self._data.find(digest, start + 1)
        return None

    def place(self, now: float) -> tuple[int, bool]:
        """Return the slot for a new counter, and whether it replaces one that is still in use."""
        least = (0, _MOST + 1)
        for slot in range(SLOTS):
            known = self._read(slot)
            if known is None or known[1] <= now:
                return slot, False
            if known[2] < least[1]:
                least = slot, known[2]
        return least[0], True

    def _read(self, slot: int) -> tuple[bytes, float, int] | None:
        start = slot * _SLOT_SIZE
        end = start + _FIELDS.size
        (checksum,) = _CHECKSUM.unpack_from(self._data, end)
        if zlib.crc32(self._data[start:end]) != checksum:
            return None
        return _FIELDS.unpack_from(self._data, start)


def slot_bytes(digest: bytes, end: float, count: int) -> bytes:
    """Return the bytes of a slot."""
    fields = _FIELDS.pack(digest, end, count)
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


class FileStorage(Storage):
    """Fixed windows in a file: ``platform-file:///a/path``, or ``platform-file://`` for Airflow's home.

    A process may have only one object for a file: the kernel's locks belong to the process, and end when the
    process closes the file anywhere.
    """

    STORAGE_SCHEME = ["platform-file"]  # noqa: RUF012 - the library's own convention

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float | str | bool) -> None:  # noqa: FBT001, FBT002 - the library's signature
        super().__init__(uri, wrap_exceptions, **options)
        path = unquote(urlsplit(uri).path)
        self.path = Path(path) if path else config.airflow_home() / "platform" / "rate-limits"
        self._file: int | None = None
        self._identity = (0, 0)
        self._threads = threading.Lock()
        self._pid = os.getpid()
        self._full_logged = -_FULL_LOGGED_EVERY

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return the class of the file system's errors."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count in this window; a first count begins a window of ``expiry`` seconds."""
        digest = _digest(key)
        with self._locked(digest) as (file, start, bucket):
            now = _clock()
            found = bucket.find(digest)
            # A window that ends too late was written before the clock was set back.
            if found is not None and now < found[1] <= now + expiry:
                slot, end, count = found
            else:
                slot, evicts = (found[0], False) if found is not None else bucket.place(now)
                end, count = now + expiry, 0
                if evicts:
                    self._log_full()
            count = min(count + amount, _MOST)
            os.pwrite(file, slot_bytes(digest, end, count), start + slot * _SLOT_SIZE)
        return count

    def get(self, key: str) -> int:
        """Return the count in this window; 0 without a window."""
        return self._look_up(key)[1]

    def get_expiry(self, key: str) -> float:
        """Return when this window ends, as Unix time; now without a window."""
        return self._look_up(key)[0]

    def check(self) -> bool:
        """Return whether the file can be used. Create no file: this process may be another user's."""
        try:
            if not self.path.exists():
                above = next(folder for folder in self.path.parents if folder.exists())
                return os.access(above, os.W_OK | os.X_OK)
            with self._locked(_digest("")):
                return True
        except OSError:
            return False

    def reset(self) -> int | None:
        """Delete all counters."""
        with self._threads_locked():
            os.truncate(self._open(), 0)
        return None

    def clear(self, key: str) -> None:
        """Delete one counter."""
        digest = _digest(key)
        with self._locked(digest) as (file, start, bucket):
            if (found := bucket.find(digest)) is not None:
                os.pwrite(file, bytes(_SLOT_SIZE), start + found[0] * _SLOT_SIZE)

    def _look_up(self, key: str) -> tuple[float, int]:
        digest = _digest(key)
        with self._locked(digest) as (_, _, bucket):
            found = bucket.find(digest)
        now = _clock()
        return (now, 0) if found is None or found[1] <= now else found[1:]

    @contextmanager
    def _locked(self, digest: bytes) -> Iterator[tuple[int, int, Bucket]]:
        """Lock the digest's bucket; yield the file, where the bucket begins, and the bucket."""
        start = int.from_bytes(digest[:4], "little") % BUCKETS * _BUCKET_SIZE
        with self._threads_locked():
            file = self._open()
            _lock(file, start)
            try:
                yield file, start, Bucket(os.pread(file, _BUCKET_SIZE, start))
            finally:
                fcntl.lockf(file, fcntl.LOCK_UN, _BUCKET_SIZE, start)

    @contextmanager
    def _threads_locked(self) -> Iterator[None]:
        """Lock out other threads: the kernel's locks do not distinguish the threads of a process."""
        if self._pid != os.getpid():  # a fork may have copied a lock that another thread held
            self._threads, self._pid = threading.Lock(), os.getpid()
        if not self._threads.acquire(timeout=LOCK_TIMEOUT):
            raise TimeoutError(errno.ETIMEDOUT, "locked for too long by another thread", str(self.path))
        try:
            yield
        finally:
            self._threads.release()

    def _open(self) -> int:
        """Return the open file; open it again if the file of that name is another one or missing."""
        if self._file is not None:
            try:
                status = os.stat(self.path)  # noqa: PTH116 - in every request: Path's costs twice as much
                if (status.st_dev, status.st_ino) == self._identity:
                    return self._file
            except FileNotFoundError:
                pass
            os.close(self._file)
            self._file = None
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        status = os.fstat(file)
        self._file, self._identity = file, (status.st_dev, status.st_ino)
        return file

    def _log_full(self) -> None:
        now = time.monotonic()
        if now >= self._full_logged + _FULL_LOGGED_EVERY:
            self._full_logged = now
            log.warning(
                "%s is full, and new counters replace others. If many addresses call, count in Redis.",
                self.path,
            )


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def _lock(file: int, start: int) -> None:
    deadline = 0.0
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET_SIZE, start)
        except BlockingIOError:
            now = time.monotonic()
            deadline = deadline or now + LOCK_TIMEOUT
            if now >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "locked for too long by another process") from None
            time.sleep(_LOCK_PAUSE)
        else:
            return
