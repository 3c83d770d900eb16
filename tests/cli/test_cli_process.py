"""The command line as a process of its own."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import textwrap

from support.paper_program import paper_program


def started(*arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spikeloom", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_the_installed_command_and_the_module(here):
    done = started("info", "paper.loom", "--json")
    out, err = done.communicate()
    assert (done.returncode, err) == (0, "")
    assert json.loads(out)["hash"] == paper_program().content_hash


def test_heavy_packages_are_not_imported_by_a_run(here):
    script = (
        "import sys; from spikeloom.cli import main; main(sys.argv[1:]); "
        "print([m for m in ('scipy', 'networkx', 'h5py', 'rich', 'matplotlib', 'pytest') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, "run", "paper.loom", "--steps", "3", "-o", "o.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_interruption_is_clean(here):
    script = textwrap.dedent(
        """
        import signal
        import sys
        from spikeloom.cli import main, run

        # A shell's background jobs, of which this may be one, ignore interruptions.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        inner = run._run

        def told(*arguments):
            print("running", flush=True)
            return inner(*arguments)

        run._run = told
        sys.exit(main(sys.argv[1:]))
        """
    )
    # So many steps that it cannot end by itself before it is interrupted.
    command = ["run", "paper.loom", "--device", "reference", "--steps", "100000000", "-o", "o.npz"]
    running = subprocess.Popen(
        [sys.executable, "-c", script, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "running\n"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out, err) == (130, "", "\nspikeloom: interrupted\n")
    assert not list(here.glob("o.npz*"))


def test_a_reader_that_goes_away(here):
    running = started("info", "paper.loom")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait() == 141
    running.stderr.close()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_to_people_who_waited(spikeloom, monkeypatch):
    from spikeloom.cli import output, run

    monkeypatch.setattr(run, "_STEPS_PER_WINDOW", 2)
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setattr(output.time, "monotonic", iter(range(100)).__next__)
    assert spikeloom("run", "paper.loom", "--steps", "9")[0] == 0
    assert sys.stderr.getvalue() == (  # type: ignore[attr-defined]
        "\r\x1b[Kstep 4 of 9, about 2 s left"
        "\r\x1b[Kstep 6 of 9, about 2 s left"
        "\r\x1b[Kstep 8 of 9, about 0 s left"
        "\r\x1b[Kstep 9 of 9, about 0 s left"
        "\r\x1b[K"
    )
    monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
    arguments = ("cosim", "paper.loom", "--steps", "70")
    assert spikeloom(*arguments)[0] == 0
    assert terminal.getvalue() == (
        "\r\x1b[Kstep 64 of 70, about 0 s left\r\x1b[Kstep 70 of 70, about 0 s left\r\x1b[K"
    )
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert spikeloom("run", "paper.loom", "--steps", "9")[0] == 0
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_waiting_is_shown_to_people_only(monkeypatch):
    from spikeloom.cli import output

    monkeypatch.setattr(output, "PATIENCE", 0.0)
    for terminal in (_Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", terminal)
        with output.Waiting("compiling") as waiting:
            if terminal.isatty():
                waiting._over.wait(0.5)
        shown = terminal.getvalue()
        assert shown.endswith("\r\x1b[K") if terminal.isatty() else shown == ""
        assert ("compiling, 0 s" in shown) == terminal.isatty()
