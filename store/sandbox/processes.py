"""Processes of the sandbox: started on a leash, recorded, stopped in order, and found again after a crash.

Each child gets a session of its own (Ctrl-C reaches only the process that orders the stop), a log file and a
record of its id and start time. A record is trusted only where both still agree, so that a process which merely
got the same id is never touched.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

LEASH = Path(__file__).with_name("leash.py")

START_TIME_TOLERANCE = 2.0
"""Seconds by which a start time may seem to move when the machine's clock is corrected."""


class CannotStart(Exception):
    """Something needed cannot be started; the message is one line that says what to do."""


@dataclass(slots=True)
class Child:
    """A process that we started."""

    name: str
    process: subprocess.Popen[bytes]
    record: Path
    log: Path
    stop_signal: signal.Signals

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def stop(self, *, patience: float = 10.0) -> None:
        """Ask the process to end, wait up to `patience` seconds, then make it end."""
        if self.is_running:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.record.unlink(missing_ok=True)


def start_child(
    name: str,
    command: Sequence[str | Path],
    *,
    records: Path,
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command` on a leash, its output appended to `log`; must be called from the main thread.

    (The kernel ties a leash to the thread that forked: when that thread ends, so does the child.)
    """
    leash = [sys.executable, "-I", "-S", str(LEASH), str(int(stop_signal)), str(os.getpid())]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands are our own
            [*leash, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    record = records / f"{name}.json"
    child = Child(name, process, record, log, stop_signal)
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).create_time()
        record.write_text(json.dumps({"pid": process.pid, "started": started, "signal": int(stop_signal)}))
    return child


def stop_strays(records: Path, *, patience: float = 10.0) -> None:
    """Stop what an earlier run left behind, by its records; a record that fits no process is dropped."""
    for record in records.glob("*.json"):
        with suppress(ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            known = json.loads(record.read_text())
            process = psutil.Process(known["pid"])
            if abs(process.create_time() - known["started"]) < START_TIME_TOLERANCE:
                end([process], signal.Signals(known["signal"]), patience=patience)
        record.unlink(missing_ok=True)


def end(processes: Sequence[psutil.Process], by: signal.Signals, *, patience: float) -> None:
    """Send `by` to each process, wait up to `patience` seconds for all, then kill the rest."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(by)
    _gone, alive = psutil.wait_procs([process for process in processes if not is_over(process)], timeout=patience)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=patience)


def is_over(process: psutil.Process) -> bool:
    """Whether a process runs no more; one that nobody has collected yet (a zombie) counts as over."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep `folder` (made when missing, mode 0700) for this process; a second one is told whose it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(f"{folder} is in use by another run (process {holder}); stop that one first.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def free_port(preferred: int | None = None) -> int:
    """A TCP port of the loopback that nothing listens on at this moment: the preferred one if it is free."""
    if preferred is not None and port_is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on that TCP port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def last_lines(log: Path, *, count: int = 5) -> str:
    """The end of a log file, to be shown when its writer has failed."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    return ""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (0600), whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
