"""What an app does with licences that stay on its device."""

from typing import Any

import httpx

from store.catalogue.models import Title
from tests.store.entitlement.parts import Customer, TestDevice

PATH = "/v1/offline-licences"


async def keep(
    client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title, *, system: str = "axinom"
) -> httpx.Response:
    headers = {**customer.headers, "DPoP": device.proof("POST", PATH)}
    return await client.post(PATH, json={"title": title.slug, "system": system}, headers=headers)


async def kept(client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title) -> dict[str, Any]:
    answer = await keep(client, device, customer, title)
    assert answer.status_code == 201, answer.text
    issued: dict[str, Any] = answer.json()
    return issued


async def give_back(
    client: httpx.AsyncClient, device: TestDevice, customer: Customer, download_id: str, **body: Any
) -> httpx.Response:
    path = f"{PATH}/{download_id}/returns"
    return await client.post(path, json=body, headers={**customer.headers, "DPoP": device.proof("POST", path)})
