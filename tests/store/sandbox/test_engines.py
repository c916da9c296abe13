"""The embedded engines: data kept, crashes survived, strangers left alone."""

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from store.sandbox.engines import running_engines
from store.sandbox.processes import CannotStart, Child, lock_folder, start_child, stop_strays
from store.sandbox.unprivileged import UNPRIVILEGED_USER, way_to_start
from tests.store.sandbox.engine_runs import held_engines, processes_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the engines' wheels are for Linux and macOS")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that the tests of this module share: making one takes seconds, starting it does not."""
    folder = tmp_path_factory.mktemp("engines")
    with running_engines(folder, durable=False):
        pass
    return folder


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the engines."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    assert process.poll() is None, "a stranger's process was ended"
    process.kill()
    process.wait()


async def add_row(url: str) -> int:
    """Add a row to a table of the test's own and count its rows."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS public.kept (row int)")
        await connection.execute("INSERT INTO public.kept VALUES (1)")
        count: int = await connection.fetchval("SELECT count(*) FROM public.kept")
        return count
    finally:
        await connection.close()


async def test_data_are_kept_from_one_start_to_the_next(folder: Path) -> None:
    with running_engines(folder, durable=True) as engines:
        before = await add_row(engines.database_url)
    with running_engines(folder, durable=True) as engines:
        assert await add_row(engines.database_url) == before + 1
    assert processes_of(folder) == []


async def test_the_database_sorts_by_code_points_and_knows_umlauts_and_the_three_extensions(folder: Path) -> None:
    with running_engines(folder, durable=False) as engines:
        connection = await asyncpg.connect(engines.database_url)
        for extension in ("btree_gist", "pg_trgm", "unaccent"):
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        provider = await connection.fetchrow(
            "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
        )
        assert tuple(provider) == ("b", "C.UTF-8")
        assert await connection.fetchval("SELECT lower('ÄÖÜ')") == "äöü"
        # Under LC_CTYPE=C the umlaut would be no letter and both words the same.
        assert await connection.fetchval("SELECT similarity('Über', 'ber') < 1")
        await connection.close()


async def test_nobody_enters_without_the_password_which_only_its_owner_can_read(folder: Path) -> None:
    with running_engines(folder, durable=False) as engines:
        address = urlsplit(engines.database_url)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(engines.database_url.replace(str(address.password), "wrong"))
        assert address.hostname == "127.0.0.1"
        assert stat.S_IMODE((folder / "postgresql.password").stat().st_mode) == 0o600
        commands = " ".join(" ".join(process.cmdline()) for process in processes_of(folder))
        assert str(address.password) not in commands
        assert engines.redis_url is not None
        assert str(urlsplit(engines.redis_url).password) not in commands


async def test_a_second_run_on_the_same_folder_is_refused_with_one_line(folder: Path) -> None:
    with running_engines(folder, durable=False) as engines, held_engines(folder) as (_second, line):
        assert line == f"{folder} is in use by another run (process {os.getpid()}); stop that one first."
        assert await add_row(engines.database_url) > 0


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(CannotStart, match="in use by another run"), lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        pass


async def test_a_stale_pid_file_with_a_strangers_number_leaves_the_stranger_alone(
    folder: Path, stranger: subprocess.Popen[bytes]
) -> None:
    data = folder / "postgresql" / "data"
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1700000000\n5432\n\n\n  1 2\nready   \n")
    with running_engines(folder, durable=False) as engines:
        assert await add_row(engines.database_url) > 0


def test_a_record_whose_number_belongs_to_a_stranger_by_now_leaves_the_stranger_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    record = tmp_path / "web.json"
    record.write_text(f'{{"pid": {stranger.pid}, "started": 1700000000.0, "signal": 15}}')
    stop_strays(tmp_path)
    assert not record.exists()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]"])
def test_a_record_that_was_only_half_written_is_dropped(tmp_path: Path, text: str) -> None:
    (tmp_path / "web.json").write_text(text)
    stop_strays(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_after_a_kill_of_everything_the_next_start_recovers_and_leaves_no_stray(folder: Path) -> None:
    with held_engines(folder) as (holder, url):
        before = await add_row(url)
        killed = [process for process in processes_of(folder) if process.pid != holder.pid]
        holder.kill()
        for process in killed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        holder.wait()
        assert len(killed) > 2
    with running_engines(folder, durable=False) as engines:
        assert await add_row(engines.database_url) == before + 1
    assert processes_of(folder) == []


async def test_after_a_kill_of_the_postmaster_alone_its_other_processes_end_before_the_next_start(folder: Path) -> None:
    with held_engines(folder) as (holder, url):
        before = await add_row(url)
        holder.kill()
        os.kill(int((folder / "postgresql" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        holder.wait()
    with running_engines(folder, durable=False) as engines:
        assert await add_row(engines.database_url) == before + 1
    assert processes_of(folder) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux ends children with their parent")
def test_after_a_kill_of_the_parent_alone_its_children_end_by_themselves(folder: Path) -> None:
    with held_engines(folder) as (holder, _url):
        children = [process for process in processes_of(folder) if process.pid != holder.pid]
        holder.kill()
        holder.wait()
        _gone, alive = psutil.wait_procs(children, timeout=20)
        assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_a_child_that_outlived_its_run_is_found_by_its_record(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    stop_strays(tmp_path)
    assert not child.is_running
    assert not child.record.exists()


def test_a_child_that_does_not_listen_is_made_to_end(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    child = start_child(
        "deaf",
        ["python3", "-c", deaf],
        records=tmp_path,
        log=tmp_path / "log",
        environment={"PATH": os.environ["PATH"]},
    )
    while "deaf" not in child.log.read_text():
        assert child.is_running
    child.stop(patience=0.1)
    assert child.process.returncode == -signal.SIGKILL


def sleeper(folder: Path) -> Child:
    return start_child(
        "sleeper", ["sleep", "600"], records=folder, log=folder / "log", environment={"PATH": os.defpath}
    )


async def test_a_port_that_was_taken_meanwhile_is_replaced_by_another(folder: Path) -> None:
    remembered = int((folder / "postgresql.port").read_text())
    with socket.create_server(("127.0.0.1", remembered)), running_engines(folder, durable=False) as engines:
        assert urlsplit(engines.database_url).port != remembered
        assert await add_row(engines.database_url) > 0


def test_data_of_another_postgresql_are_refused_with_one_line(folder: Path) -> None:
    version = folder / "postgresql" / "data" / "PG_VERSION"
    present = version.read_text()
    version.write_text("9\n")
    with (
        pytest.raises(CannotStart, match=r"was made by PostgreSQL 9, and \d+ is installed"),
        running_engines(folder, durable=False),
    ):
        pass
    version.write_text(present)


def test_addresses_that_are_given_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    with running_engines(
        tmp_path / "unused", durable=False, database_url="postgresql://db/x", redis_url="redis://cache"
    ) as engines:
        assert (engines.database_url, engines.redis_url) == ("postgresql://db/x", "redis://cache")
    assert not (tmp_path / "unused").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user starts PostgreSQL plainly")
@pytest.mark.parametrize("without", [(), ("unshare",)])
def test_root_finds_a_way_below_a_folder_that_only_root_may_enter(
    tmp_path: Path, without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir(mode=0o755)
    for name in {"unshare", "setpriv"} - set(without):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    for name in without:
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    home = tmp_path / "private" / "home"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    program = home.parent / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    way = way_to_start(program, home=home)
    assert way[0] == ("setpriv" if without else "unshare")
    user = subprocess.run([*way, "id", "-un"], capture_output=True, text=True, check=True)
    assert user.stdout.strip() == UNPRIVILEGED_USER
