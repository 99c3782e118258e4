"""Whom webhooks may call: every way around that people have found, and what must still work."""

from __future__ import annotations

import pytest

from libs.shared.errors import Refusal
from libs.shared.settings import WrongSetting
from libs.webhooks.addresses import AddressPolicy, canonical_url, networks
from libs.webhooks.settings import WebhookSettings

STRICT = AddressPolicy()


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2a00:1450:4001:82a::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_the_public_internet_may_be_called(address: str) -> None:
    assert STRICT.allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",  # metadata of one cloud
        "169.254.169.254",  # of most
        "168.63.129.16",  # of another
        "192.0.0.192",  # of yet another
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_private_and_special_ipv4_addresses_may_not_be_called(address: str) -> None:
    assert not STRICT.allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",  # metadata over IPv6
        "ff02::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "64:ff9b:1::a00:1",
    ],
)
def test_private_and_special_ipv6_addresses_may_not_be_called(address: str) -> None:
    assert not STRICT.allows(address)


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a00:1::1"])
def test_an_ipv4_address_inside_of_an_ipv6_address_is_judged_as_itself(address: str) -> None:
    assert not STRICT.allows(address)
    assert AddressPolicy(networks("127.0.0.0/8, 169.254.0.0/16, 10.0.0.0/8")).allows(address)


def test_an_operator_can_allow_networks() -> None:
    policy = WebhookSettings(allow_networks="10.0.0.0/8, fd00::/8").policy

    assert policy.allows("10.1.2.3")
    assert policy.allows("fd00::1")
    assert policy.allows("8.8.8.8")
    assert not policy.allows("192.168.0.1")
    assert not policy.allows("::1")


def test_a_setting_that_names_no_network_is_refused_at_the_start() -> None:
    with pytest.raises(WrongSetting, match="ALBUM_NOTIFIER_ALLOW_NETWORKS"):
        WebhookSettings(allow_networks="10.0.0.1/8")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[0:0:0:0:0:ffff:7f00:1]:8080/",
        "http://0/",
        "https://169.254.169.254/latest/meta-data/",
    ],
)
def test_a_private_address_is_recognised_in_every_notation(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical_url(url, STRICT)
    assert refused.value.code == "address-not-allowed"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "http://",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://:secret@example.com/",
        "http://example.com/#part",
        "http://exa mple.com/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://example.com:99999/",
        "http://a\0/",
    ],
)
def test_a_url_that_is_not_plainly_http_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        canonical_url(url, STRICT)
    assert refused.value.code == "invalid-request"
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://Example.COM", "https://example.com/"),
        ("https://bücher.example/wünsche?a=ä", "https://xn--bcher-kva.example/w%C3%BCnsche?a=%C3%A4"),
        ("http://example.com:80/hook", "http://example.com/hook"),
        ("http://134744072:8080/", "http://8.8.8.8:8080/"),
        (r"http://example.com\@127.0.0.1/", "http://example.com/@127.0.0.1/"),
    ],
)
def test_a_url_is_kept_in_the_spelling_that_every_parser_reads_alike(url: str, canonical: str) -> None:
    assert canonical_url(url, STRICT) == canonical
