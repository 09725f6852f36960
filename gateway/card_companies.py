"""Which card companies are there? Codes of the Korea Financial Telecommunications and Clearings Institute.

Codes are texts, for some begin with 0; one that nobody knows must break nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.errors import GatewayUnreadable
from gateway.mask import clean_text
from gateway.questions import Questions, segment
from gateway.records import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import GatewayConfig
    from gateway.port import AccessToken
    from gateway.transport import GatewayTransport

CARDS_PATH: Final = "/cards"
_WORD_LENGTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCompany:
    """A card company's code and its Korean name."""

    code: str
    name: str


class CardCompanyLookUp:
    """Asks about card companies on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport) -> None:
        self._questions = Questions(config, transport)

    async def all(self, *, token: AccessToken) -> Sequence[CardCompany]:
        """All that the gateway knows."""
        return [read_company(item) for item in await self._questions.plain_list(CARDS_PATH, token)]

    async def one(self, *, code: str, token: AccessToken) -> CardCompany | None:
        """One by its code; None: the gateway said, in its own envelope, that there is none."""
        found = await self._questions.one(f"{CARDS_PATH}/{segment(code)}", token)
        return None if found is None else read_company(found)


def read_company(found: object) -> CardCompany:
    """One card company.

    Raises:
        GatewayUnreadable: It is none, or lacks its code or its name.
    """
    found = found if isinstance(found, dict) else {}
    code, name = identifier(found.get("code")), found.get("name")
    if code is None or not isinstance(name, str):
        raise GatewayUnreadable("a card company was told without its code or its name")
    return CardCompany(code=code, name=clean_text(name, length=_WORD_LENGTH))
