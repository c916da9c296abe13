"""Lines that an operator keeps in a file, out of the database's reach: what is new is added, nothing is taken away."""

import asyncio
from collections.abc import Sequence
from pathlib import Path


async def add_lines(path: str, lines: Sequence[str]) -> int:
    """Add the lines that the file does not have; answers how many. A restored database may know less than the file."""
    return await asyncio.to_thread(_add, Path(path), lines)


async def read_lines(path: str) -> list[str]:
    """The lines of a file."""
    return (await asyncio.to_thread(Path(path).read_text, encoding="utf-8")).splitlines()


def _add(path: Path, lines: Sequence[str]) -> int:
    with path.open("a+", encoding="utf-8") as kept:
        kept.seek(0)
        known = set(kept.read().splitlines())
        new = [line for line in lines if line not in known]
        kept.writelines(f"{line}\n" for line in new)
    return len(new)
