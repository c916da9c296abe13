"""The controls' settings, kept in SQLite like everything else."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switches:
    """Named whole numbers; what was never set is 0. Which there are stands in `chaos.py`."""

    connection: sqlite3.Connection

    def read(self, name: str) -> int:
        """The setting of a switch."""
        row = self.connection.execute("SELECT setting FROM switches WHERE name = ?", (name,)).fetchone()
        return row["setting"] if row else 0

    def set(self, name: str, setting: int) -> None:
        """Change a switch."""
        self.connection.execute("INSERT OR REPLACE INTO switches (name, setting) VALUES (?, ?)", (name, setting))

    def clear(self, prefix: str) -> None:
        """Put all switches whose names begin like this back to 0."""
        self.connection.execute("DELETE FROM switches WHERE name LIKE ? || '%'", (prefix,))

    def count_down(self, name: str) -> bool:
        """Take one from a counter; False when it was at 0."""
        return (
            self.connection.execute(
                "UPDATE switches SET setting = setting - 1 WHERE name = ? AND setting > 0", (name,)
            ).rowcount
            == 1
        )
