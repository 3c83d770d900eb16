"""What became of many jobs, in one SQLite file: killed at any moment, it is gone on with.

One row per job, ``pending``, ``running``, ``done`` or ``failed``. One process writes, which holds
a lock beside the file; others may read while it does (write-ahead log).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DeviceError, FileError

if TYPE_CHECKING:
    from types import TracebackType

STATES = ("pending", "running", "done", "failed")
_APPLICATION, _VERSION = 0x5350_4C4D, 1
_TABLES = {
    "about": "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "jobs": """CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    payload TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    began REAL,
    seconds REAL,
    result TEXT,
    error TEXT
)""",
    "by_state": "CREATE INDEX by_state ON jobs (state)",
}
_COLUMNS = "number, payload, state, attempts, worker, began, seconds, result, error"
_Self = TypeVar("_Self", bound="Store")


@dataclass(frozen=True)
class Row:
    """One job.

    Attributes:
        number: its place in the list of all jobs.
        payload: what it is about, JSON data.
        state: of ``STATES``.
        attempts: how often it was begun.
        worker: who did it last.
        began: seconds since 1970; ``seconds`` what it took.
        result: JSON data, of a job that is done.
        error: why it failed.
    """

    number: int
    payload: Any
    state: str
    attempts: int
    worker: str | None
    began: float | None
    seconds: float | None
    result: Any
    error: str | None


class Store:
    """The file; a context manager.

    Args:
        path: of the file; made if it is not there.
        identity: what the jobs follow from; a file of other jobs is refused.
        jobs: payloads, JSON data, all different.
        about: further JSON data to keep in the file.

    Raises:
        FileError: it is no such file, damaged, or of other jobs.
        DeviceError: another process writes to it.
    """

    def __init__(
        self, path: str | Path, identity: str, jobs: Sequence[Any], about: dict[str, Any]
    ) -> None:
        self.path = Path(path)
        with _telling(self.path):
            self._lock = _locked(self.path)
            try:
                self._db = _opened(self.path)
                self._begin(identity, jobs, about)
            except BaseException:
                self._lock.close()
                raise

    def _begin(self, identity: str, jobs: Sequence[Any], about: dict[str, Any]) -> None:
        db = self._db
        with _transaction(db):
            if not _is_ours(db, self.path):
                for statement in _TABLES.values():
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {_VERSION}")
                values = {"identity": identity, **{k: json.dumps(v) for k, v in about.items()}}
                db.executemany("INSERT INTO about VALUES (?, ?)", values.items())
                rows = ((number, _text(job)) for number, job in enumerate(jobs))
                db.executemany("INSERT INTO jobs (number, payload, state) VALUES (?, ?, 'pending')",
                               rows)  # fmt: skip
            found = db.execute("SELECT value FROM about WHERE key = 'identity'").fetchone()
            listed = [text for (text,) in db.execute("SELECT payload FROM jobs ORDER BY number")]
            if found != (identity,) or listed != [_text(job) for job in jobs]:
                raise FileError(
                    "the file holds results of something else",
                    where=self.path,
                    remedy="name another file with --results, or delete this one",
                )
            # Whoever ran these is gone, since the lock is ours.
            db.execute("UPDATE jobs SET state = 'pending' WHERE state = 'running'")

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with _telling(self.path), _transaction(self._db):
            self._db.execute("UPDATE jobs SET state = 'pending' WHERE state = 'running'")
        self._db.close()
        self._lock.close()

    def take(self) -> tuple[int, Any] | None:
        """Number and payload of the next pending job, which is running now; None: there is none."""
        with _telling(self.path), _transaction(self._db) as db:
            row = db.execute(
                "SELECT number, payload FROM jobs WHERE state = 'pending' ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, began = ?, "
                "worker = NULL, seconds = NULL, error = NULL WHERE number = ?",
                (time.time(), row[0]),
            )
        return row[0], json.loads(row[1])

    def done(self, number: int, result: Any, worker: str, seconds: float) -> None:
        """A job has a result."""
        self._end(number, "done", worker, seconds, result=_text(result))

    def failed(self, number: int, error: str, worker: str, seconds: float | None) -> None:
        """A job has none, and would have none the next time."""
        self._end(number, "failed", worker, seconds, error=error)

    def lost(self, number: int, worker: str, reason: str, most: int) -> bool:
        """Its worker is gone: it is pending again, or failed after so many attempts.

        Returns:
            Whether it has failed.
        """
        with _telling(self.path):
            row = self._db.execute("SELECT attempts FROM jobs WHERE number = ?", (number,))
            attempts = row.fetchone()[0]
        if attempts >= most:
            self.failed(number, f"its worker was lost {attempts} times; {reason}", worker, None)
            return True
        self._end(number, "pending", worker, None, error=f"its worker was lost; {reason}")
        return False

    def again(self) -> int:
        """Jobs that failed are pending again; returns how many."""
        with _telling(self.path), _transaction(self._db) as db:
            sql = "UPDATE jobs SET state = 'pending', attempts = 0 WHERE state = 'failed'"
            return db.execute(sql).rowcount

    def _end(
        self,
        number: int,
        state: str,
        worker: str,
        seconds: float | None,
        result: str | None = None,
        error: str | None = None,
    ) -> None:
        with _telling(self.path), _transaction(self._db) as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, worker = ?, seconds = ?, result = ?, error = ? "
                "WHERE number = ? AND state = 'running'",
                (state, worker, seconds, result, error, number),
            )
            if changed.rowcount != 1:
                raise FileError("a job ended that was not running", found=number, where=self.path)

    def counts(self) -> dict[str, int]:
        """State to number of jobs."""
        with _telling(self.path):
            found = dict(self._db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
        return {state: found.get(state, 0) for state in STATES}

    def rows(self) -> list[Row]:
        """All jobs, by number."""
        with _telling(self.path):
            return _rows(self._db)


def read_rows(path: str | Path) -> list[Row]:
    """All jobs of a file, by number, also while another process writes to it.

    Raises:
        FileError: there is none, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError("there are no results", where=path)
    with _telling(path):
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=30, uri=True)
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            if not _is_ours(db, path):
                raise FileError("there are no results in this file", where=path)
            return _rows(db)
        finally:
            db.close()


def _rows(db: sqlite3.Connection) -> list[Row]:
    found = []
    for row in db.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY number"):
        fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
        fields["payload"] = json.loads(fields["payload"])
        fields["result"] = None if fields["result"] is None else json.loads(fields["result"])
        found.append(Row(**fields))
    return found


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, allow_nan=False)


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _is_ours(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables are there; False for an empty file, an error for another one's."""
    found = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    if not found:
        return False
    marks = tuple(
        db.execute(f"PRAGMA {m}").fetchone()[0] for m in ("application_id", "user_version")
    )
    if marks != (_APPLICATION, _VERSION) or found != _TABLES:
        raise FileError("this is no file of results", where=path, remedy="name another file")
    return True


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """SQLite's and JSON's errors as ours."""
    try:
        yield
    except (sqlite3.Error, ValueError, RecursionError) as error:
        raise FileError("the results cannot be used", found=str(error)[:200], where=path) from None


def _locked(path: Path) -> sqlite3.Connection:
    """A lock that the system takes back however its holder ends; kept in a file of its own, so
    that others can read the results."""
    beside = path.with_name(path.name + ".lock")
    lock = sqlite3.connect(beside, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" not in str(error):
            raise
        raise DeviceError("another command writes to these results", where=path) from None
    return lock
