"""The pages of the staff, driven as a browser without JavaScript would."""

import asyncpg
import httpx
from litestar import Litestar

from store.database import Database
from store.settings import Settings
from tests.auth.post_office import deliver_mails, open_post_office, text_of, token_in
from tests.store.consoles.people import REASON, a_person

PASSWORD = "ein langer Satz über Lichtspielhäuser"


async def test_an_admin_invites_somebody_who_joins_and_signs_in(
    app: Litestar, settings: Settings, client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    admin = await a_person(database, roles=("admin",))
    form = {"email": "neu@example.org", "locale": "en"}
    refused = await client.post("/de/staff/invitations", data=form, headers=admin.headers)
    assert (refused.status_code, "Wählen Sie mindestens eine Rolle" in refused.text) == (400, True)
    assert 'value="neu@example.org"' in refused.text
    wrong = {**form, "email": "kein Postfach", "finance": "yes"}
    refused = await client.post("/de/staff/invitations", data=wrong, headers=admin.headers)
    assert (refused.status_code, "Diese E-Mail-Adresse ist ungültig" in refused.text) == (400, True)
    assert await owner.fetchval("SELECT count(*) FROM auth.invitations") == 0
    sent = await client.post("/de/staff/invitations", data={**form, "finance": "yes"}, headers=admin.headers)
    assert (sent.status_code, sent.headers["location"]) == (303, "/de/staff/colleagues?done=invited")
    page = (await client.get("/de/staff/colleagues", headers=admin.headers)).text
    assert "neu@example.org" in page
    with open_post_office(settings.smtp_url) as office:
        await deliver_mails(app)
    [letter] = office.to("neu@example.org")
    assert letter["Subject"] == "Invitation to the team"
    assert "/en/join#t=" in text_of(letter)
    assert (await client.get("/en/join")).status_code == 200
    ours = {"Sec-Fetch-Site": "same-origin"}
    short = await client.post("/en/join", data={"token": token_in(letter), "password": "zu kurz"}, headers=ours)
    assert (short.status_code, "at least 15" in short.text) == (400, True)
    joined = await client.post("/en/join", data={"token": token_in(letter), "password": PASSWORD}, headers=ours)
    assert (joined.status_code, joined.headers["location"]) == (303, "/en/sign-in?next=%2Fen%2Fstaff&done=joined")
    begun = await client.post("/en/sign-in", data={"email": "neu@example.org", "password": PASSWORD}, headers=ours)
    assert begun.headers["location"].startswith("/en/sign-in/code")


async def test_an_admin_takes_an_invitation_back_changes_roles_and_lets_somebody_go(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    admin, colleague = await a_person(database, roles=("admin",)), await a_person(database, roles=("support",))
    await client.post(
        "/de/staff/invitations", data={"email": "neu@example.org", "editor": "yes"}, headers=admin.headers
    )
    invitation = await owner.fetchval("SELECT id FROM auth.invitations")
    back = await client.post(f"/de/staff/invitations/{invitation}/withdrawals", headers=admin.headers)
    assert back.headers["location"] == "/de/staff/colleagues?done=invitation_withdrawn"
    path = f"/de/staff/colleagues/{colleague.account.id}"
    page = (await client.get(path, headers=admin.headers)).text
    assert 'name="support" value="yes" checked' in page
    assert 'name="admin" value="yes" checked' not in page
    for form, sentence in (
        ({"finance": "yes", "reason": "zu kurz"}, "mindestens zehn Zeichen"),
        ({"reason": REASON}, "mindestens eine Rolle"),
    ):
        answer = await client.post(f"{path}/roles", data=form, headers=admin.headers)
        assert sentence in (await client.get(answer.headers["location"], headers=admin.headers)).text
    changed = await client.post(f"{path}/roles", data={"finance": "yes", "reason": REASON}, headers=admin.headers)
    assert changed.headers["location"] == f"{path}?done=roles_changed"
    roles = await owner.fetch("SELECT role FROM auth.role_assignments WHERE account_id = $1", colleague.account.id)
    assert [row["role"] for row in roles] == ["finance"]
    assert (await client.get("/de/staff", headers=colleague.headers)).status_code == 303, "signed out"
    gone = await client.post(f"{path}/departures", data={"reason": REASON}, headers=admin.headers)
    assert gone.headers["location"] == "/de/staff/colleagues?done=let_go"
    assert (await client.get(path, headers=admin.headers)).status_code == 404
    own = await client.get(f"/de/staff/colleagues/{admin.account.id}", headers=admin.headers)
    assert "Das sind Sie." in own.text
    assert "/departures" not in own.text
