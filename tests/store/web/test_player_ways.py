"""Every next step that the server can name has a label in the player, in both languages, and somewhere to go."""

from typing import get_args

import httpx
import pytest

from auth.models import Account
from store.database import Database
from store.entitlement.errors import NotEntitled, Way
from store.entitlement.reasons import tell
from store.settings import Settings
from store.web.wording import load_texts
from tests.store.entitlement.parts import load_test_film, make_title

WAYS = get_args(Way)


@pytest.mark.parametrize("locale", ["de", "en"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_has_a_label(way: str, locale: str) -> None:
    assert load_texts(locale)[f"player.way_{way}"]


async def test_every_way_out_leads_to_a_page_and_its_label_is_with_the_player(
    browser: httpx.AsyncClient, database: Database, settings: Settings, customer: Account
) -> None:
    await load_test_film(database, settings)
    title = await make_title(database)
    player = (await browser.get(f"/de/watch/{title.slug}")).text
    for way in WAYS:
        refusal = NotEntitled()
        refusal.way = way
        action = tell(refusal, title).action
        assert action is not None
        answer = await browser.get(f"/de{action.web}", follow_redirects=True)
        assert answer.status_code == 200, way
        assert f'"way_{way}"' in player
