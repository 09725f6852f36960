"""Whose call is it, and which of the merchant's contracts with the card gateway (MID) is meant?

Source: PortOne V1 documentation: one pair of API keys is one merchant account; it may have several MIDs, named by
``pg`` as ``{PG}.{MID}`` or by a channel key; a billing key belongs to the MID that issued it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PG_PROVIDER = "html5_inicis"
PG_ID = "INIBillTst"
#: The account of a simulator that was given none: it has every key.
ANYBODY = ""

_CHANNELS = {"sandbox": True, "live": False}


class BadAccount(ValueError):
    """An account was given in words that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mid:
    """One contract: ``pg_provider.pg_id``; a test channel's payments are marked as such."""

    pg_provider: str = PG_PROVIDER
    pg_id: str = PG_ID
    is_sandbox: bool = True

    @property
    def pg(self) -> str:
        """How requests name it."""
        return f"{self.pg_provider}.{self.pg_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One merchant; without ``imp_key`` every pair of credentials that is not empty is his. The first MID is usual."""

    name: str
    imp_key: str | None
    imp_secret: str | None
    mids: tuple[Mid, ...]

    def mid(self, wanted: str | None) -> Mid | None:
        """Return the MID that a request names by ``pg`` or channel key; the usual one if it names none."""
        if wanted is None:
            return self.mids[0]
        for mid in self.mids:
            if wanted in (mid.pg, mid.pg_id):
                return mid
        is_vague = wanted == self.mids[0].pg_provider or self.imp_key is None or "." not in wanted
        return self.mids[0] if is_vague else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAccount:
    """One ``--account``: a key, its secret and one MID. The same key may be given again with another MID."""

    imp_key: str
    imp_secret: str
    mid: Mid


def parse_account(words: str, *, is_sandbox: bool = True) -> GivenAccount:
    """Read ``key:secret[:pg[:sandbox|live]]``.

    Raises:
        BadAccount: It is not of this form.
    """
    parts = words.split(":")
    key, secret, pg, channel = (*parts, "", "", "")[:4]
    if len(parts) > 4 or not key or not secret or (channel and channel not in _CHANNELS):  # noqa: PLR2004 - its parts
        raise BadAccount("an account is given as key:secret[:pg[:sandbox|live]]")
    provider, dot, pg_id = pg.partition(".")
    if pg and not (dot and provider and pg_id):
        raise BadAccount("pg is given as provider.MID, as in html5_inicis.INIBillTst")
    return GivenAccount(
        imp_key=key,
        imp_secret=secret,
        mid=Mid(
            pg_provider=provider or PG_PROVIDER,
            pg_id=pg_id or PG_ID,
            is_sandbox=_CHANNELS.get(channel, is_sandbox),
        ),
    )


class AccountBook:
    """All accounts of one simulator."""

    def __init__(
        self,
        given: Iterable[GivenAccount],
        *,
        imp_key: str | None = None,
        imp_secret: str | None = None,
        is_sandbox: bool = True,
    ) -> None:
        self._by_key: dict[str, Account] = {}
        for each in given:
            known = self._by_key.get(each.imp_key)
            mids = (*known.mids, each.mid) if known else (each.mid,)
            self._by_key[each.imp_key] = Account(
                name=each.imp_key, imp_key=each.imp_key, imp_secret=each.imp_secret, mids=mids
            )
        self._only: Account | None = None
        if not self._by_key:
            only = (Mid(is_sandbox=is_sandbox),)
            self._only = Account(name=ANYBODY, imp_key=imp_key, imp_secret=imp_secret, mids=only)

    def all(self) -> tuple[Account, ...]:
        """Return every account."""
        return (self._only,) if self._only else tuple(self._by_key.values())

    def login(self, imp_key: str, imp_secret: str) -> Account | None:
        """Return whose credentials these are."""
        account = self.of_key(imp_key)
        is_right = account is not None and account.imp_secret in (None, imp_secret)
        return account if is_right else None

    def of_key(self, imp_key: str) -> Account | None:
        """Return whose key this is."""
        if self._only is None:
            return self._by_key.get(imp_key)
        return self._only if self._only.imp_key in (None, imp_key) else None

    def named(self, name: str) -> Account | None:
        """Return the account of a row in the ledger; None for one that is not served any more."""
        return next((account for account in self.all() if account.name == name), None)
