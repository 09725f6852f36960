import time

import pytest

from tests.contract.simulator.running import RunningSimulator
from tests.contract.simulator.scheduling import HOUR, SCHEDULE, UNSCHEDULE, entry, scheduled, window


def test_schedules_are_listed_in_pages_newest_first(simulator: RunningSimulator) -> None:
    scheduled(simulator, "a", *(entry(f"a-{number}", after=HOUR + number) for number in range(3)))
    scheduled(simulator, "b", *(entry(f"b-{number}", after=2 * HOUR + number) for number in range(2)))
    simulator.post(UNSCHEDULE, customer_uid="a", merchant_uid=["a-0"])

    pages = [simulator.get(SCHEDULE, **window(limit=2, page=page)).json()["response"] for page in (1, 2, 3)]
    revoked = simulator.get(SCHEDULE, **window(schedule_status="revoked")).json()["response"]

    assert [row["merchant_uid"] for page in pages for row in page["list"]] == ["b-1", "b-0", "a-2", "a-1", "a-0"]
    assert [(page["total"], page["previous"], page["next"]) for page in pages] == [(5, 0, 2), (5, 1, 3), (5, 2, 0)]
    assert [row["merchant_uid"] for row in revoked["list"]] == ["a-0"]
    assert simulator.get(SCHEDULE, **window(limit=2, page=4)).status_code == 400
    oldest = simulator.get(SCHEDULE, **window(sorting="scheduled")).json()["response"]["list"][0]
    assert oldest["merchant_uid"] == "a-0"


@pytest.mark.parametrize("path", [f"{SCHEDULE}/customers/a", "/subscribe/customers/a/schedules"])
def test_a_card_has_its_schedules(simulator: RunningSimulator, path: str) -> None:
    scheduled(simulator, "a", *(entry(f"a-{number}", after=HOUR + number) for number in range(21)))
    scheduled(simulator, "b", entry("b"))
    now = int(time.time())
    query = {"from": now - HOUR, "to": now + 2 * HOUR}

    first = simulator.get(path, **query).json()["response"]
    second = simulator.get(path, **query, page=2).json()["response"]

    assert (first["total"], first["next"], len(first["list"])) == (21, 2, 20)
    assert [row["merchant_uid"] for row in second["list"]] == ["a-0"]
    assert simulator.get(path, **query, **{"schedule-status": "executed"}).json()["response"]["total"] == 0
    simulator.public.delete("/subscribe/customers/a", headers=simulator.headers)
    assert simulator.get(path, **query).json()["response"]["total"] == 21


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"schedule_from": 1},
        {"schedule_from": 2, "schedule_to": 1},
        {"schedule_from": 1, "schedule_to": 93 * 86_400},
        {"schedule_from": 1, "schedule_to": 2, "schedule_status": "paid"},
        {"schedule_from": 1, "schedule_to": 2, "limit": 1001},
        {"schedule_from": 1, "schedule_to": 2, "sorting": "amount"},
        {"schedule_from": "x", "schedule_to": 2},
    ],
)
def test_a_list_needs_a_window_of_three_months_at_most(
    simulator: RunningSimulator, query: dict[str, str | int]
) -> None:
    assert simulator.get(SCHEDULE, **query).status_code == 400


def test_lists_can_be_plain_as_the_documentation_has_them(simulator: RunningSimulator) -> None:
    scheduled(simulator, "a", *(entry(f"a-{number}", after=HOUR + number) for number in range(3)))
    assert simulator.control.post("/schedules/shape", json={"shape": "plain"}).status_code == 200

    rows = simulator.get(SCHEDULE, **window(limit=2)).json()["response"]

    assert [row["merchant_uid"] for row in rows] == ["a-2", "a-1"]
    assert simulator.get(SCHEDULE, **window(limit=2, page=9)).json()["response"] == []
    assert simulator.control.post("/schedules/shape", json={"shape": "round"}).status_code == 400
