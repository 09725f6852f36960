"""Whose request is it? What a sender writes before our proxies' own words changes nothing."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Misconfigured
from runtime.settings import load_settings
from web.sources import Sources, one_host

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
GATEWAY = "52.78.100.19"

_addresses = st.ip_addresses().map(str)
_forged = st.lists(_addresses | st.text("0123456789abcdef.:, []", max_size=20), max_size=30)


@given(forged=_forged, hops=st.lists(st.sampled_from(["10.0.0.1", "10.9.9.9", "fd00::1"]), max_size=3))
def test_the_first_address_that_no_proxy_of_ours_has_is_the_sender_whatever_stands_before(
    forged: list[str], hops: list[str]
) -> None:
    sources = Sources(proxies=PROXIES)

    assert sources.sender("10.0.0.1", [", ".join([*forged, GATEWAY, *hops])]) == ip_address(GATEWAY)
    assert sources.sender("10.0.0.1", [*forged, GATEWAY, *hops]) == ip_address(GATEWAY)
    assert sources.sender(GATEWAY, forged) == ip_address(GATEWAY)
    assert Sources().sender("10.0.0.1", [GATEWAY]) == ip_address("10.0.0.1")


@pytest.mark.parametrize("peer", [None, "", "nonsense", "testclient"])
def test_who_cannot_be_told_is_refused_where_there_is_a_list(peer: str | None) -> None:
    sources = Sources(allowed=[ip_network(GATEWAY)], proxies=PROXIES)

    assert not sources.is_allowed(sources.sender(peer, [GATEWAY]))
    assert not sources.is_allowed(sources.sender("10.0.0.1", ["52.78.100.19:443"]))
    assert Sources().is_allowed(None)


def test_an_address_is_the_same_in_either_dress_and_a_network_of_the_new_kind_is_one_host() -> None:
    sources = Sources(allowed=[ip_network(GATEWAY)])

    assert sources.is_allowed(sources.sender(f"::ffff:{GATEWAY}", []))
    assert one_host(ip_address("2001:db8::1")) == one_host(ip_address("2001:db8::ffff"))
    assert one_host(ip_address("2001:db8::1")) != one_host(ip_address("2001:db8:0:1::1"))


@pytest.mark.parametrize("name", ["hook_sources", "trusted_proxies"])
@pytest.mark.parametrize("text", ["nonsense", "1.2.3.4,5", "52.78.100.19/8", "host.example"])
def test_addresses_that_are_none_are_refused_at_start(name: str, text: str) -> None:
    with pytest.raises(Misconfigured, match=f"JEONGGI_{name.upper()} cannot be used: give addresses or networks"):
        load_settings(**{name: text})
