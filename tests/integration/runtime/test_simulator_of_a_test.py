from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runtime.settings import simulator_flags
from tests.support.simulator import IMP_KEY, IMP_SECRET, running_simulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.simulator import RunningSimulator


def token_from(simulator: RunningSimulator) -> str:
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)
    body = json.dumps({"imp_key": IMP_KEY, "imp_secret": IMP_SECRET})
    connection.request("POST", "/users/getToken", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["response"]["access_token"])


def test_a_test_has_a_simulator_that_gives_out_tokens(simulator: RunningSimulator) -> None:
    assert token_from(simulator)


def test_a_killed_simulator_comes_back_at_the_same_address(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as first:
        first.program.kill()
    port, control_port = (urlsplit(url).port or 0 for url in (first.url, first.control_url))

    with running_simulator(tmp_path, port=port, control_port=control_port) as second:
        assert (second.url, second.ledger) == (first.url, first.ledger)
        assert token_from(second)


def test_the_simulator_takes_the_flags_of_our_scaled_down_limits(tmp_path: Path) -> None:
    with running_simulator(tmp_path, options=simulator_flags()) as simulator:
        assert token_from(simulator)
