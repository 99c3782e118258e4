"""Which addresses a webhook may call: those of the public internet, and what an operator allows beside.

Without this, anybody who may register a webhook could make the notifier call what only the notifier can reach.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from libs.shared.errors import Refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL = TypeAdapter(AnyHttpUrl)

# https://www.iana.org/assignments/iana-ipv4-special-registry: what `is_global` of some Python still lets through.
_SPECIAL_IPV4 = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    # Public by its number, but inside of Azure the platform's own server.
    ipaddress.IPv4Network("168.63.129.16/32"),
)
# https://www.iana.org/assignments/ipv6-unicast-address-assignments: everything public is in here
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
# except for https://www.iana.org/assignments/iana-ipv6-special-registry (Teredo is in the first).
_SPECIAL_IPV6 = (
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class AddressPolicy:
    """What may be called: the public internet and the ``allowed`` networks."""

    allowed: tuple[Network, ...] = ()

    def allows(self, text: str) -> bool:
        """Whether an address may be called. One that carries an IPv4 address in it is judged as that one."""
        address = _meant(ipaddress.ip_address(text))
        return _is_public(address) or any(address in network for network in self.allowed)


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a list such as ``10.0.0.0/8, fd00::/8``.

    Raises:
        ValueError: one is not a network.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def canonical_url(text: str, policy: AddressPolicy) -> str:
    """A webhook's url in the one spelling that every parser reads alike (https://url.spec.whatwg.org).

    Numbers in unusual notations have become addresses and names ASCII. Addresses are judged at once; names are judged
    whenever they are called, by what they stand for then.

    Raises:
        Refusal: ``invalid-request``, or ``address-not-allowed``.
    """
    try:
        url = _URL.validate_python(text)
    except ValidationError:
        raise Refusal("invalid-request", "url is not an http or https url") from None
    if url.username is not None or url.password is not None or url.fragment is not None:
        raise Refusal("invalid-request", "url must have neither user, password nor fragment")
    host = urlsplit(str(url)).hostname or ""
    if _is_address(host) and not policy.allows(host):
        raise Refusal("address-not-allowed", "url points into a network that webhooks may not call")
    return str(url)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _meant(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        is_special = address.is_multicast or any(address in network for network in _SPECIAL_IPV4)
        return address.is_global and not is_special
    return address in _PUBLIC_IPV6 and not any(address in network for network in _SPECIAL_IPV6)
