"""What the stand-in will do by itself and when, kept in SQLite so that a restart still does it."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do later."""

    id: int
    deed: str
    """A key of `deeds.DEEDS`."""
    subject: str
    """The id of the object, or the currency, that it is about."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """The list of errands; due in Unix seconds by the stand-in's clock."""

    connection: sqlite3.Connection
    settle_seconds: int
    """Between a charge and its fee, a payout and its list (Stripe: within an hour, or some)."""
    debit_seconds: int
    """Between a SEPA debit and the answer of the customer's bank (in truth: some working days)."""

    def add(self, deed: str, subject: str, *, due: int) -> None:
        """Do this then; the same deed for the same subject at the same time counts once."""
        self.connection.execute(
            "INSERT OR IGNORE INTO agenda (deed, subject, due) VALUES (?, ?, ?)", (deed, subject, due)
        )

    def add_soon(self, deed: str, subject: str, *, at: int) -> None:
        """Do this after the short while that Stripe's own books take."""
        self.add(deed, subject, due=at + self.settle_seconds)

    def due(self, *, by: int) -> list[Errand]:
        """What must be done by then, oldest first."""
        rows = self.connection.execute("SELECT id, deed, subject FROM agenda WHERE due <= ? ORDER BY due, id", (by,))
        return [Errand(**row) for row in rows]

    def waiting(self, deed: str | None = None, subject: str | None = None) -> list[Errand]:
        """What waits, due or not: everything, or one deed, or that for one subject."""
        rows = self.connection.execute(
            "SELECT id, deed, subject FROM agenda WHERE (:deed IS NULL OR deed = :deed)"
            " AND (:subject IS NULL OR subject = :subject) ORDER BY due, id",
            {"deed": deed, "subject": subject},
        )
        return [Errand(**row) for row in rows]

    def next_due(self) -> int | None:
        """When the next errand is due, if any waits."""
        moment: int | None = self.connection.execute("SELECT min(due) FROM agenda").fetchone()[0]
        return moment

    def remove(self, errand: Errand) -> None:
        """This is done."""
        self.connection.execute("DELETE FROM agenda WHERE id = ?", (errand.id,))

    def forget(self, deed: str, subject: str) -> None:
        """This has been overtaken and need not be done."""
        self.connection.execute("DELETE FROM agenda WHERE deed = ? AND subject = ?", (deed, subject))
