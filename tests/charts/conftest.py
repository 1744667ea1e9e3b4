import pytest

from charts.helm import Helm, program


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(program("helm"))
