"""The API does what its OpenAPI says, whatever is asked of it."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

load_all_checks()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_described(house, mode):
    house.beat()
    schema = schemathesis.openapi.from_asgi("/openapi.json", house.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    tested = [o for o in operations if o.path != "/api/v1/stream"]  # that one does not end
    assert len(tested) >= 14
    for operation in tested:
        if mode is GenerationMode.NEGATIVE and not takes_anything(operation):
            continue

        # A well-formed name may still name nothing: 404 and 422 are right answers then.
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=6,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=10)

        check()


def takes_anything(operation):
    return any((operation.query, operation.path_parameters, operation.body))


async def test_every_operation_has_words_a_model_and_problems(house):
    async with house.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert len(paths) >= 15
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["description"], path
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            answer = operation["responses"]["200"]["content"]
            assert all(content.get("schema") for content in answer.values()), path


async def test_no_page_that_loads_from_elsewhere(house):
    async with house.client() as client:
        for path in ("/docs", "/redoc"):
            answer: httpx.Response = await client.get(path)
            assert answer.status_code == 404
