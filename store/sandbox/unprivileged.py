"""How PostgreSQL, which refuses to run as root, is started by root: each way is tried before it is used."""

import os
import pwd
import subprocess
from pathlib import Path

from store.sandbox.processes import CannotStart

UNPRIVILEGED_USER = "nobody"
"""A user that every machine has; the server must find its own name in the list of users."""

_PROBE = 'test "$(id -u)" != 0 && test -w "$1" && "$2" --version'


def way_to_start(program: Path, *, home: Path) -> tuple[str, ...]:
    """The command that must stand before `program` so that it runs as an ordinary user with `home` as its own.

    `home` (an existing folder) is handed over to that user. Empty for an ordinary user. For root, in this order:
    a user namespace in which root has another name (works below folders that only root may enter); another user;
    another user who may enter every folder (containers without user namespaces, with a project below /root).
    Raises `CannotStart` when none of them works.
    """
    if os.geteuid() != 0:
        return ()
    other = pwd.getpwnam(UNPRIVILEGED_USER)
    namespace = ("unshare", "--user", f"--map-user={other.pw_uid}", f"--map-group={other.pw_gid}", "--")
    # A change of user undoes the leash, so setpriv puts it on again: SIGINT is PostgreSQL's fast shutdown.
    user = ("setpriv", f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups", "--pdeathsig=INT")
    anywhere = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    ways = (
        (namespace, (0, 0)),
        ((*user, "--"), (other.pw_uid, other.pw_gid)),
        ((*user, *anywhere, "--"), (other.pw_uid, other.pw_gid)),
    )
    for way, owner in ways:
        hand_over(home, *owner)
        if _works(way, program, home):
            return way
    raise CannotStart(
        "PostgreSQL does not run as root, and neither unshare nor setpriv works here: "
        "run as an ordinary user, or set DATABASE_URL."
    )


def hand_over(folder: Path, user: int, group: int) -> None:
    """Make a folder and all that is in it belong to a user, unless it does already."""
    if folder.stat().st_uid == user:
        return
    for path in (*folder.rglob("*"), folder):
        os.chown(path, user, group, follow_symlinks=False)


def _works(way: tuple[str, ...], program: Path, home: Path) -> bool:
    try:
        probe = subprocess.run(  # noqa: S603 - our own command
            [*way, "sh", "-c", _PROBE, "sh", home, program], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0
