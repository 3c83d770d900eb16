"""The store of jobs, and pools that do them."""

import sqlite3
import subprocess
import sys

import pytest
from support import jobs as work

from spikeloom import DeviceError, FileError, InputError
from spikeloom.studies.jobs import Task, drain
from spikeloom.studies.local import LocalPool
from spikeloom.studies.store import Store, read_rows


def done(path, task, jobs, workers=2):
    with Store(path, "id", jobs, {}) as store, LocalPool(task, workers) as pool:
        drain(store, pool)
        return store.rows()


def test_every_job_is_done_once_and_an_error_is_kept(tmp_path):
    task = Task(work.prepare, work.double, None)
    rows = done(tmp_path / "r.sqlite", task, list(range(20)))
    assert [row.number for row in rows] == list(range(20))
    assert all(row.attempts == 1 for row in rows)
    unlucky = rows.pop(13)
    assert [row.result for row in rows] == [2 * row.payload for row in rows]
    assert (unlucky.state, unlucky.result) == ("failed", None)
    assert unlucky.error == "ValueError: 13 is unlucky (jobs.py:18)"
    # Nothing is left; with retry the one that failed is pending again.
    with Store(tmp_path / "r.sqlite", "id", list(range(20)), {}) as store:
        assert store.take() is None
        assert store.again() == 1
        assert store.take() == (13, 13)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_worker_loses_nothing_and_a_killer_fails(tmp_path):
    task = Task(work.prepare, work.deadly, str(tmp_path))
    rows = done(tmp_path / "r.sqlite", task, list(range(12)))
    killer = rows.pop(7)
    assert [row.result for row in rows] == [row.payload for row in rows]
    assert [row.attempts for row in rows] == [2 if row.payload == 3 else 1 for row in rows]
    assert killer.state == "failed"
    assert killer.attempts == 3
    assert killer.error is not None
    assert killer.error.startswith("its worker was lost 3 times; pid ")
    assert killer.error.endswith(" ended with SIGKILL")


def test_workers_that_all_die_are_an_error_and_jobs_stay(tmp_path):
    task = Task(work.prepare, work.suicide, None)
    with pytest.raises(DeviceError, match="workers are lost one after the other"):
        done(tmp_path / "r.sqlite", task, list(range(9)))
    states = [row.state for row in read_rows(tmp_path / "r.sqlite")]
    assert set(states) == {"failed", "pending"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_that_is_dead_before_its_first_job_is_found(monkeypatch):
    with LocalPool(Task(work.prepare, work.double, None), 1) as pool:
        start = pool._start

        def stillborn():
            worker = start()
            worker.process.kill()
            worker.process.join()
            return worker

        monkeypatch.setattr(pool, "_start", stillborn)
        pool.submit(0, 1)
        (outcome,) = pool.wait()
    assert (outcome.number, outcome.result) == (0, None)
    assert outcome.reason is not None
    assert outcome.reason.endswith("ended with SIGKILL")


def test_only_one_process_writes(tmp_path):
    path = tmp_path / "r.sqlite"
    with Store(path, "id", [1], {}):
        assert [row.state for row in read_rows(path)] == ["pending"]
        with pytest.raises(DeviceError) as told, Store(path, "id", [1], {}):
            pass
    assert str(told.value) == f"another command writes to these results\n  where: {path}"


def test_results_of_something_else_are_refused(tmp_path):
    path = tmp_path / "r.sqlite"
    with Store(path, "id", [1, 2], {}):
        pass
    for identity, jobs in (("other", [1, 2]), ("id", [1]), ("id", [2, 1])):
        with pytest.raises(FileError) as told, Store(path, identity, jobs, {}):
            pass
        assert str(told.value) == (
            f"the file holds results of something else\n  where: {path}\n"
            "  remedy: name another file with --results, or delete this one"
        )


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "r.sqlite"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(FileError, match=r"^the results cannot be used\n  found: file is not a"):
        read_rows(path)
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE jobs (number INTEGER)")
    db.close()
    for use in (read_rows, lambda p: Store(p, "id", [1], {})):
        with pytest.raises(FileError, match=r"^this is no file of results\n"):
            use(path)
    with pytest.raises(FileError, match=r"^there are no results\n"):
        read_rows(tmp_path / "none.sqlite")


def test_a_trigger_in_a_strangers_file_is_refused(tmp_path):
    path = tmp_path / "r.sqlite"
    with Store(path, "id", [1], {}):
        pass
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER t AFTER UPDATE ON jobs BEGIN DELETE FROM jobs; END")
    db.close()
    with pytest.raises(FileError, match=r"^this is no file of results\n"):
        Store(path, "id", [1], {})


def test_numbers_of_workers(tmp_path):
    with pytest.raises(InputError) as told:
        LocalPool(Task(work.prepare, work.double, None), 0)
    assert str(told.value) == ("this is no number of workers\n  found: 0\n  expected: 1 to 1024")


def test_workers_end_with_who_gives_them_work(tmp_path):
    """A killed command leaves no process behind."""
    script = (
        "import sys; from support import jobs as work\n"
        "from spikeloom.studies.jobs import Task\n"
        "from spikeloom.studies.local import LocalPool\n"
        "if __name__ == '__main__':\n"
        "    pool = LocalPool(Task(work.prepare, work.slow, 0.2), 1)\n"
        "    pool.submit(0, 1)\n"
        "    print(pool._workers[0].process.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_with_support()
    )
    assert started.stdout is not None
    worker = int(started.stdout.readline())
    started.kill()
    # The worker holds the standard output too: this ends when both have.
    started.stdout.read()
    started.communicate()
    assert worker != started.pid


def _with_support():
    import os
    from pathlib import Path

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
