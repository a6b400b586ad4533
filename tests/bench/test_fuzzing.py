"""A slice of the fuzz against the API in this process, and that wrong answers are seen as such.

`FUZZ_CASES=2000` sends as many as one likes; `manage.py fuzz_search` sends 50,000 to a real server.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient

from bench import fuzz_cases
from bench.fuzz_cases import JSON, Case
from bench.fuzzing import Answer, fuzz, problem, shown
from ingestion.management.commands.fuzz_search import SEED, fill
from search.authentication import create_key
from search.models import Tenant

CASES = int(os.environ.get("FUZZ_CASES", "400"))


@pytest.fixture
def send(main_job: None, tenant: Tenant) -> Callable[[Case], Answer]:
    """Sends a case to the API in this process; a bug raises, so that it is shown where it is."""
    fill(tenant, settings.BASE_DIR / "sample")
    keys = [
        create_key(tenant, name="fuzz", scopes=["search", "ask", "explain"], groups=list(groups)).secret
        for groups in fuzz_cases.GROUPS
    ]

    async def answered(case: Case) -> Answer:
        headers = {"Authorization": f"Bearer {keys[case.key]}"}
        began = time.perf_counter()
        try:
            got: Any = await AsyncClient().generic(
                case.method, case.path, case.body, content_type=case.content_type, headers=headers
            )
        except Exception as error:
            error.add_note(shown(case))
            raise
        body = b"".join([part async for part in got.streaming_content]) if got.streaming else got.content
        return Answer(case, got.status_code, got.headers["Content-Type"], body, time.perf_counter() - began)

    return async_to_sync(answered)


def test_no_fuzzed_request_fails_or_is_late(send: Callable[[Case], Answer]) -> None:
    wrong: list[str] = []
    cases = (fuzz_cases.case(SEED, number) for number in range(CASES))
    fuzzed = fuzz(cases, send, clients=1, told=lambda case, found: wrong.append(f"{found}\n{shown(case)}"))
    assert not wrong
    assert fuzzed.statuses[200] > CASES / 4
    assert fuzzed.codes["invalid_filter"]
    assert fuzzed.codes["invalid_request"]


def test_a_case_is_the_same_each_time_and_another_by_another_seed() -> None:
    assert fuzz_cases.case(1, 7) == fuzz_cases.case(1, 7)
    assert fuzz_cases.case(1, 7) != fuzz_cases.case(2, 7)


@pytest.mark.parametrize(
    ("status", "content_type", "body", "seconds"),
    [
        (500, JSON, b'{"code": "internal_error", "detail": "Something went wrong."}', 0.1),
        (0, "", b"broken connection", 0.1),
        (200, JSON, b"{}", 3.1),
        (400, JSON, b'{"detail": "no code"}', 0.1),
        (400, JSON, b'{"code": "x", "detail": "y", "fields": {"a": [1]}}', 0.1),
        (400, JSON, b'{"code": "x", "detail": "y", "more": 1}', 0.1),
        (404, "text/html", b'{"code": "x", "detail": "y"}', 0.1),
        (400, JSON, b"<html>", 0.1),
    ],
)
def test_wrong_answers_are_seen(status: int, content_type: str, body: bytes, seconds: float) -> None:
    assert problem(Answer(fuzz_cases.case(1, 1), status, content_type, body, seconds))


def test_right_answers_are_none() -> None:
    error = b'{"code": "invalid_filter", "detail": "No.", "fields": {"year": ["Unknown field."]}}'
    assert problem(Answer(fuzz_cases.case(1, 1), 400, JSON, error, 0.1)) is None
    assert problem(Answer(fuzz_cases.case(1, 1), 200, JSON, b"{}", 2.9)) is None
