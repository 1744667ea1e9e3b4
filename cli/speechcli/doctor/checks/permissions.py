"""Whether the user may do what the plugin does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.verdicts import ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Permission
    from speechcli.doctor.verdicts import Verdict

AREA = "permissions"


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the permissions: each missing one, or all of them together."""
    unknown = [one for one in facts.permissions if one.allowed is None]
    missing = [one for one in facts.permissions if one.allowed is False]
    if unknown:
        yield unchecked(AREA, f"the API server does not say what you may do with {unknown[0].resource}")
    for one in missing:
        yield warning(AREA, f"you may not {one.verb} {one.resource}: {one.purpose}", _command(one, facts.namespace))
    if facts.permissions and not unknown and not missing:
        yield ok(AREA, "you have all permissions that this plugin uses")


def _command(one: Permission, namespace: str) -> str:
    kind = "clusterrole" if one.cluster_wide else "role"
    where = "" if one.cluster_wide else f" --namespace {namespace}"
    return (
        f"an administrator: kubectl create {kind} speech-{one.verb}-{one.resource.replace('/', '-').partition('.')[0]} "
        f"--verb={one.verb} --resource={one.resource}{where}, and a {kind}binding to it"
    )
