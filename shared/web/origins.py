"""The network that a request comes from: what one caller can't change at will."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: an IPv4 address behind a translator."""
_OF_IPV4 = 0xFFFF_FFFF


def network_of(host: str) -> str:
    """An IPv4 address, however it is written in IPv6 (mapped, RFC 4291; NAT64); of IPv6 the /64; what is no address as it is."""
    if ":" not in host:
        return host  # an IPv4 address has one spelling
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if address in _NAT64:
            return str(ipaddress.IPv4Address(int(address) & _OF_IPV4))
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
