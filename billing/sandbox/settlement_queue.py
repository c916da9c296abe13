"""Which charges still wait for their balance transaction, kept in SQLite."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettlementQueue:
    """Charges and when their fee becomes known (Unix seconds by the stand-in's clock)."""

    connection: sqlite3.Connection
    delay: int
    """Seconds between a charge and its settlement (Stripe: within an hour)."""

    def add(self, charge: str, *, at: int) -> None:
        """Settle this charge later."""
        self.connection.execute("INSERT INTO settlements (charge, due) VALUES (?, ?)", (charge, at + self.delay))

    def due(self, *, by: int | None) -> list[str]:
        """Charges to settle by then, oldest first; None: all that wait."""
        rows = self.connection.execute(
            "SELECT charge FROM settlements WHERE :by IS NULL OR due <= :by ORDER BY due, rowid", {"by": by}
        )
        return [row["charge"] for row in rows]

    def next_due(self) -> int | None:
        """When the next one is due, if any waits."""
        moment: int | None = self.connection.execute("SELECT min(due) FROM settlements").fetchone()[0]
        return moment

    def remove(self, charge: str) -> None:
        """This charge is settled."""
        self.connection.execute("DELETE FROM settlements WHERE charge = ?", (charge,))
