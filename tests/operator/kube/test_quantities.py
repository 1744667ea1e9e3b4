"""Kubernetes' quantities: their values, and the form in which the API server gives them back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.api import Api
from speechoperator.kube.quantities import canonical, same, value

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-3", "e+9")
QUANTITIES = st.builds(
    lambda number, decimals, suffix: f"{number / 10**decimals:.{decimals}f}{suffix}",
    st.integers(0, 10**6),
    st.integers(0, 3),
    st.sampled_from(SUFFIXES),
)
CANONICAL = {
    "0": "0",
    "0Gi": "0",
    "-0.0": "0",
    "1": "1",
    "+1": "1",
    "007": "7",
    "1000m": "1",
    "0.5": "500m",
    ".5": "500m",
    "1.": "1",
    "1500m": "1500m",
    "0.0001": "1m",
    "1000": "1k",
    "1024": "1024",
    "1000000": "1M",
    "1.5G": "1500M",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    "1000Mi": "1000Mi",
    "1048576Ki": "1Gi",
    "0.5Ki": "512",
    "1Ki": "1Ki",
    "1023Ki": "1023Ki",
    "0.001Ki": "1024m",
    "1.0005Ki": "1024512m",
    "1e3": "1e3",
    "1E3": "1e3",
    "10e3": "10e3",
    "1000e3": "1e6",
    "1e-3": "1e-3",
    "12e0": "12",
    "1E": "1E",
    "1000P": "1E",
    "8Ei": "9223372036854775807",
    "100E": "9223372036854775807",
    "0.1n": "1m",
    "1.1n": "1m",
    "1.0001": "1001m",
    "123456789012m": "123456789012m",
}


@pytest.mark.unit
@pytest.mark.parametrize(("given", "form"), CANONICAL.items())
def test_canonical_form(given: str, form: str) -> None:
    assert canonical(given) == form


@pytest.mark.unit
@given(QUANTITIES)
def test_the_canonical_form_is_one_and_stands_for_the_same(quantity: str) -> None:
    form = canonical(quantity)

    assert canonical(form) == form
    assert same(form, quantity)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("given", "amount"),
    [("1.5Gi", 1536 * 2**20), ("250m", Decimal("0.25")), (2, 2), ("-1k", -1000), ("1e-3", Decimal("0.001"))],
)
def test_value(given: str | int, amount: Decimal | int) -> None:
    assert value(given) == amount


@pytest.mark.unit
@pytest.mark.parametrize(
    "text", ["", "Gi", "1GB", "1 Gi", "1,5", "0x10", "1e", "--1", "1Gi\n", "\u0663Gi", "1KI", "NaN"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        canonical(text)


@pytest.mark.cluster
async def test_the_api_server_keeps_the_canonical_form_and_the_value(api: Api) -> None:
    above_zero = [quantity for quantity in (*CANONICAL, "12345.678Mi") if value(quantity) > 0]  # as a claim must be

    for quantity in above_zero:
        assert await kept(api, canonical(quantity)) == canonical(quantity)
        assert same(await kept(api, quantity), quantity)


async def kept(api: Api, quantity: str) -> str:
    """A claim's size, as the API server gives it back."""
    claim = await api.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "size", "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": quantity}}},
        },
        dryRun="All",
    )
    form: str = claim["spec"]["resources"]["requests"]["storage"]
    return form
