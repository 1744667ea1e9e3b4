"""The choice of a proxy, which is kubectl's."""

import pytest

from speechcli.proxies import proxy_for

pytestmark = pytest.mark.unit

PROXIES = {"HTTPS_PROXY": "http://proxy.corp:3128", "HTTP_PROXY": "proxy.corp:3128"}


def test_each_scheme_has_its_proxy() -> None:
    assert proxy_for("https://api.example.com:6443", {"https_proxy": "http://p:1"}) == "http://p:1"
    assert proxy_for("http://api.example.com", {"https_proxy": "http://p:1"}) is None
    assert proxy_for("http://api.example.com", PROXIES) == "http://proxy.corp:3128"


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443", "https://speech.localhost:8443"]
)
def test_this_machine_is_reached_without_a_proxy(url: str) -> None:
    assert proxy_for(url, PROXIES) is None


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        ("10.0.0.0/8", "https://10.1.2.3:6443", True),
        ("10.0.0.0/8", "https://192.0.2.1:6443", False),
        ("10.0.0.0/8", "https://api.example.com", False),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("api.example.com:6443", "https://api.example.com:6443", True),
        ("api.example.com:443", "https://api.example.com:6443", False),
        ("192.0.2.1:443", "https://192.0.2.1", True),
        ("192.0.2.1", "https://192.0.2.1:6443", True),
        ("example.com", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://api.example.com", True),
        ("other.com, EXAMPLE.com", "https://api.example.com", True),
        ("*", "https://api.example.com", True),
        ("not/a/network", "https://192.0.2.1", False),
    ],
)
def test_no_proxy_has_domains_addresses_networks_and_ports(entry: str, url: str, *, direct: bool) -> None:
    assert (proxy_for(url, {**PROXIES, "NO_PROXY": entry}) is None) == direct
