"""The operator's rights, taken away for a while."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cluster.api import Api


@asynccontextmanager
async def without(api: Api, verb: str, resource: str) -> AsyncIterator[None]:
    """Take a verb on a resource out of the operator's role for a while."""
    role = await api.get("ClusterRole", None, "speech-operator")
    rules = []
    for rule in role["rules"]:
        others = [one for one in rule["resources"] if one != resource]
        rules.append({**rule, "resources": others})
        if resource in rule["resources"]:
            rules.append({**rule, "resources": [resource], "verbs": [one for one in rule["verbs"] if one != verb]})
    fewer = [rule for rule in rules if rule["resources"] and rule["verbs"]]
    await api.patch("ClusterRole", None, "speech-operator", {"rules": fewer})
    try:
        yield
    finally:
        await api.patch("ClusterRole", None, "speech-operator", {"rules": role["rules"]})
