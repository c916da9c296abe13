"""The whole store as `make run` runs it: every process of the sandbox, on a database of its own with few films."""

import lzma
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import msgspec

from store.catalogue.demo.packing import PACKED_FILMS, PackedFilms
from store.catalogue.demo.records import own_records
from store.catalogue.demo.rows import COLUMNS, CatalogueRows
from store.sandbox.arrangement import FOLDER_VARIABLE, Ports
from store.sandbox.processes import LEASH
from tests.scratch import free_port

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class RunningStore:
    """Where the processes of a running store are to be found."""

    web: str
    mail: str
    """Pages of the mail catcher."""
    stripe: str
    """The payment stand-in."""
    database_url: str


async def load_few_films(owner: asyncpg.Connection) -> None:
    """Our own records, and of the real films those that share a name with one of them: half a second, not a minute."""
    rows = _few_films()
    async with owner.transaction():
        for table, columns in COLUMNS.items():
            await owner.copy_records_to_table(table, schema_name="store", columns=columns, records=rows.tables[table])


def _few_films() -> CatalogueRows:
    rows = CatalogueRows()
    records = own_records()
    for record in records:
        rows.add_record(record)
    packed = msgspec.json.decode(lzma.decompress(PACKED_FILMS.read_bytes()), type=PackedFilms)
    own = {record.imdb for record in records}
    names = {name for record in records for name in (*record.directors, *(name for name, _ in record.cast))}
    known = {place for place, name in enumerate(packed.people) if name in names}
    for film in packed.films:
        if film.imdb not in own and known.intersection((*film.cast, *film.directors)):
            rows.add_film(film, packed.people)
    rows.finish()
    return rows


@contextmanager
def running_store(folder: Path, *, database_url: str, redis_url: str) -> Iterator[RunningStore]:
    """Run the store until the block ends, as Ctrl-C ends it; on the way no process may have logged an error."""
    ports = Ports(web=free_port(), mail=free_port(), smtp=free_port(), stripe=free_port())
    environment = {
        "PATH": os.environ["PATH"],
        FOLDER_VARIABLE: str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TRUSTED_PROXIES": "127.0.0.1",
        **{f"VIDEOTHEK_{name.upper()}_PORT": str(getattr(ports, name)) for name in Ports.__slots__},
    }
    leash = [sys.executable, "-I", "-S", str(LEASH), str(int(signal.SIGINT)), str(os.getpid())]
    command = [*leash, sys.executable, "-m", "store.sandbox"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout
        shown = ""
        try:
            for line in run.stdout:
                shown += line
                if "up after" in line:
                    break
            assert "up after" in shown, f"the store did not start:\n{shown}"
            yield RunningStore(
                web=f"http://localhost:{ports.web}",
                mail=f"http://127.0.0.1:{ports.mail}",
                stripe=f"http://127.0.0.1:{ports.stripe}",
                database_url=database_url,
            )
        finally:
            run.send_signal(signal.SIGINT)
            said = run.stdout.read()
    assert (run.returncode, said.strip()) == (0, "Stopped.")
