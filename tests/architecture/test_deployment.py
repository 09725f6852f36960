"""Do the compose file and its example of an environment fit the code?"""

from __future__ import annotations

import re

from runtime.settings import PREFIX, Settings
from scheduler.pace import Queue
from tests.support.source_tree import page


def served(compose: str) -> set[str]:
    """Queues that some worker of the compose file serves."""
    return set(re.findall(r"worker, -Q, (\w+)", compose))


def published_openly(compose: str) -> list[str]:
    """Ports that anybody can reach, not only this host."""
    ports = re.findall(r'^\s*- "?((?:[\d.]+:)?\d+:\d+)"?$', compose, re.MULTILINE)
    return [port for port in ports if not port.startswith("127.0.0.1:")]


def unknown_variables(example: str) -> set[str]:
    """Variables of ours in the example that are no settings."""
    named = set(re.findall(rf"^({PREFIX}\w+)=", example, re.MULTILINE))
    return named - {PREFIX + name.upper() for name in Settings.model_fields}


def demanded(compose: str) -> set[str]:
    """Variables without which the compose file does not start."""
    return set(re.findall(r"\$\{(\w+):\?", compose))


def test_every_queue_is_served() -> None:
    assert served(page("docker-compose.yml")) == {queue.value for queue in Queue}, "Give each queue its worker."


def test_nothing_is_published_beyond_this_host() -> None:
    assert published_openly(page("docker-compose.yml")) == [], "Publish on 127.0.0.1 only."


def test_the_example_of_an_environment_names_what_is_needed_and_nothing_else() -> None:
    example = page("deploy/env.example")

    assert unknown_variables(example) == set(), "Take it out of deploy/env.example: it is no setting."
    missing = {name for name in demanded(page("docker-compose.yml")) if f"\n{name}=" not in example}
    assert missing == set(), "Name it in deploy/env.example."
    assert re.findall(r"^\w+=\S+", example, re.MULTILINE) == [], (
        "An example of a secret becomes a secret: leave it empty."
    )


def test_the_checks_can_fail() -> None:
    assert served("worker, worker, -Q, charge,") == {"charge"}
    assert published_openly('    - 5432:5432\n    - "0.0.0.0:1:1"\n    - 127.0.0.1:2:2\n') == [
        "5432:5432",
        "0.0.0.0:1:1",
    ]
    assert unknown_variables("JEONGGI_ODD=1\nJEONGGI_IMP_KEY=") == {"JEONGGI_ODD"}
    assert demanded("x: ${ODD:?set it}") == {"ODD"}
