"""A request's dependencies are made one after the other."""

from litestar import Litestar
from litestar.routes import HTTPRoute


def test_no_dependency_of_a_request_is_made_beside_another(app: Litestar) -> None:
    batches = [
        batch
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for _, parameters in route.route_handler_map.values()
        for batch in parameters.dependency_batches
    ]
    assert len(batches) > 500
    assert {len(batch) for batch in batches} == {1}
