import pytest

from auth.visits import Visit, client_address

PROXIES = ("10.0.0.0/8", "2001:db8:1::5")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "1.2.3.4", "198.51.100.7"),
        ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "1.2.3.4, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.1.1.1", "10.2.2.2", "10.2.2.2"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.7, nonsense", "10.1.1.1"),
        ("2001:db8:1::5", "2001:db8:2::9", "2001:db8:2::9"),
        ("::ffff:198.51.100.7", "", "198.51.100.7"),
        ("testclient", "", "0.0.0.0"),  # noqa: S104 - said of a peer without an address
    ],
)
def test_only_what_a_trusted_proxy_saw_itself_is_believed(peer: str, forwarded: str, expected: str) -> None:
    assert client_address(peer, forwarded, trusted_proxies=PROXIES) == expected


def test_an_ipv6_customer_is_one_by_the_64() -> None:
    one, other = Visit(ip="2001:db8:0:7:1::1"), Visit(ip="2001:db8:0:7:ffff::2")
    assert one.limit_key == other.limit_key != Visit(ip="2001:db8:0:8::1").limit_key


def test_beside_a_session_only_the_network_is_kept() -> None:
    assert Visit(ip="198.51.100.7").network == "198.51.100.0/24"
    assert Visit(ip="2001:db8:1:2::3").network == "2001:db8:1::/48"
