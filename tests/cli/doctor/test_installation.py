"""The operator, its CRD, and the user's permissions."""

import pytest

from cli.doctor.cases import Object, facts, refused, the, wrong
from speechcli.doctor.checks import installation, permissions
from speechcli.doctor.facts import Permission
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit

CRD = {
    "metadata": {"name": "speechpipelines.speechpipeline.dev", "annotations": {"speechpipeline.dev/version": "0.1.0"}}
}


def operator(version: str = "0.1.0", ready: int = 1) -> Object:
    return {
        "metadata": {"name": "speech", "namespace": "platform", "labels": {"app.kubernetes.io/version": version}},
        "spec": {"replicas": 1},
        "status": {"readyReplicas": ready},
    }


def test_an_operator_of_the_same_version_is_fine() -> None:
    assert wrong(installation.check(facts(crd=[CRD], operators=[operator()]))) == []


def test_a_missing_operator_is_a_fault_with_the_command_that_installs_it() -> None:
    found = the(installation.check(facts(crd=[CRD], operators=[])), Level.FAULT)

    assert "no operator" in found.message
    assert found.fix.startswith("helm install")


def test_an_operator_that_does_not_run_is_a_fault() -> None:
    found = the(installation.check(facts(crd=[CRD], operators=[operator(ready=0)])), Level.FAULT)

    assert "-n platform" in found.fix


def test_versions_that_differ_are_a_warning() -> None:
    found = the(installation.check(facts(crd=[CRD], operators=[operator("0.2.0")])), Level.WARNING)

    assert "operator 0.2.0 and CRD 0.1.0" in found.message


def test_what_cannot_be_read_is_not_checked_and_no_fault() -> None:
    verdicts = list(
        installation.check(facts(crd=refused("customresourcedefinitions"), operators=refused("deployments")))
    )

    assert [one.level for one in verdicts] == [Level.UNCHECKED, Level.UNCHECKED]
    assert "deployments is forbidden" in verdicts[1].message


def permission(*, allowed: bool | None) -> Permission:
    return Permission("create", "pods/portforward", "ask connects to the bridge", allowed)


def test_a_missing_permission_names_what_it_is_for_and_how_it_is_given() -> None:
    found = the(permissions.check(facts(permissions=(permission(allowed=False),))), Level.WARNING)

    assert "you may not create pods/portforward: ask connects to the bridge" in found.message
    assert "--verb=create --resource=pods/portforward --namespace team-a" in found.fix


def test_all_permissions_are_one_line() -> None:
    assert [one.level for one in permissions.check(facts(permissions=(permission(allowed=True),) * 3))] == [Level.OK]


def test_an_api_server_that_does_not_say_is_not_checked() -> None:
    assert the(permissions.check(facts(permissions=(permission(allowed=None),))), Level.UNCHECKED)
