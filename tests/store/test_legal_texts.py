"""The legal texts: what belongs to a contract and what only informs, samples that are told, the imprint."""

import argparse

import httpx
import pytest

from store.cli import check_settings
from store.legal_texts import NAMES, current_versions, samples
from store.settings import Settings


def test_a_contract_keeps_its_texts_and_no_notice() -> None:
    assert current_versions().keys() == set(NAMES)


async def test_the_operator_is_told_which_texts_are_still_samples(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert samples() == ["terms", "withdrawal", "privacy"]
    await check_settings(settings, argparse.Namespace())
    assert "terms, withdrawal, privacy" in capsys.readouterr().out


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_the_imprint_names_the_seller_and_is_marked_as_a_sample_in_the_sandbox(
    client: httpx.AsyncClient, settings: Settings, locale: str
) -> None:
    page = await client.get(f"/{locale}/legal/imprint")
    for words in (settings.seller.name, settings.seller.email, "10115 Berlin", "HRB 00000", settings.seller.vat_id):
        assert words in page.text
    assert ("Dies ist ein Muster" if locale == "de" else "This is a sample") in page.text
    start = await client.get(f"/{locale}")
    for link in ("imprint", "privacy", "terms", "withdrawal"):
        assert f'href="/{locale}/legal/{link}"' in start.text
