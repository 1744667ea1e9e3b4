"""Install, upgrade, roll back and uninstall by the real Helm on a real API server. No kubelet: no pod ever runs."""

import asyncio
import os
import sys

import pytest
import yaml

from charts.conftest import DEFINITION
from charts.helm import Helm, HelmError, values
from cluster.api import Api, ApiError, Object
from cluster.control_plane import ControlPlane, Identity
from speechlocal.paths import CHART
from speechoperator.api import SpeechPipeline

pytestmark = pytest.mark.cluster

PIPELINE = values("pipeline")


def install(helm: Helm, name: str, *arguments: str) -> str:
    """Install or upgrade release `name` in the namespace of the same name."""
    return helm("upgrade", "--install", name, CHART, "--namespace", name, "--values", PIPELINE, *arguments)


async def pipeline(admin: Api, namespace: str) -> Object:
    return await admin.get("SpeechPipeline", namespace, "calls")


@pytest.mark.usefixtures("no_definition")
async def test_first_install_brings_definition_operator_and_pipeline(
    cluster_helm: Helm, admin: Api, restricted: str
) -> None:
    said = install(cluster_helm, restricted)

    spec = SpeechPipeline.parse(await pipeline(admin, restricted)).spec
    assert spec.ollama.model_names == ("llama3.2", "qwen3:4b")
    assert (spec.whisper.cache.when_deleted, spec.ollama.cache.when_deleted) == ("Delete", "Retain")
    assert await admin.get("Deployment", restricted, f"{restricted}-operator")
    assert f"kubectl -n {restricted} get sp calls --watch" in said
    assert '-H "Authorization: Bearer KEY"' in said


async def test_notes_without_a_pipeline_have_one_that_is_accepted(
    cluster_helm: Helm, admin: Api, restricted: str
) -> None:
    said = install(cluster_helm, restricted, "--set", "pipeline.enabled=false")
    example = said.partition("<<EOF\n")[2].partition("  EOF")[0]

    await admin.create(yaml.safe_load(example), restricted, dryRun="All")


async def test_pods_keep_to_restricted_pod_security(cluster_helm: Helm, admin: Api, restricted: str) -> None:
    install(cluster_helm, restricted)
    deployment = await admin.get("Deployment", restricted, f"{restricted}-operator")
    template = deployment["spec"]["template"]
    meta = template["metadata"] | {"name": "operator"}
    test_pod = [body for body in cluster_helm.objects(namespace=restricted) if body["kind"] == "Pod"]

    await admin.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}, restricted, dryRun="All"
    )
    for body in test_pod:
        await admin.create(body, dryRun="All")


async def test_pipeline_that_breaks_a_rule_is_refused_in_the_rules_words(cluster_helm: Helm, restricted: str) -> None:
    with pytest.raises(HelmError, match="ingress or gateway"):
        install(
            *(cluster_helm, restricted, "--set", "pipeline.spec.bridge.gateway.host=a.example.com"),
            *("--set", "pipeline.spec.bridge.gateway.parentRef.name=web"),
        )


async def test_upgrade_changes_what_the_values_say_and_nothing_else(
    cluster_helm: Helm, admin: Api, restricted: str
) -> None:
    install(cluster_helm, restricted)
    before = await admin.patch("SpeechPipeline", restricted, "calls", {"spec": {"bridge": {"replicas": 5}}})

    install(cluster_helm, restricted, "--set", "pipeline.spec.whisper.model=large-v3")

    after = await pipeline(admin, restricted)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["whisper"]["model"] == "large-v3"
    assert after["spec"]["bridge"]["replicas"] == 5


async def test_rollback_brings_the_pipeline_back_as_it_was(cluster_helm: Helm, admin: Api, restricted: str) -> None:
    install(cluster_helm, restricted)
    before = await pipeline(admin, restricted)
    install(cluster_helm, restricted, "--set", "pipeline.spec.whisper.model=large-v3")

    cluster_helm("rollback", restricted, "1", "--namespace", restricted)

    after = await pipeline(admin, restricted)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_uninstall_leaves_the_definition_and_others_pipelines(
    cluster_helm: Helm, admin: Api, restricted: str
) -> None:
    install(cluster_helm, restricted)
    other = (await pipeline(admin, restricted)) | {"metadata": {"name": "other", "namespace": restricted}}
    await admin.create(other)

    cluster_helm("uninstall", restricted, "--namespace", restricted)

    left = await admin.list("SpeechPipeline", restricted)
    assert [body["metadata"]["name"] for body in left] == ["other"]
    for kind in ("Deployment", "Role", "RoleBinding", "PodDisruptionBudget", "NetworkPolicy", "Service"):
        assert await admin.list(kind, restricted) == [], kind
    names = [body["metadata"]["name"] for body in await admin.list("ClusterRole")]
    assert not [name for name in names if name.startswith(restricted)]


async def test_installed_again_needs_no_job(cluster_helm: Helm, admin: Api, restricted: str) -> None:
    install(cluster_helm, restricted)
    cluster_helm("uninstall", restricted, "--namespace", restricted)

    install(cluster_helm, restricted)  # a Job would not end here, for want of a kubelet

    assert "kind: Job" not in cluster_helm("get", "hooks", restricted, "--namespace", restricted)
    assert await pipeline(admin, restricted)


async def test_older_definition_is_brought_up_to_date_before_anything_else(
    cluster_helm: Helm, admin: Api, bare_cluster: ControlPlane, restricted: str
) -> None:
    install(cluster_helm, restricted)
    definition = await admin.get("CustomResourceDefinition", None, DEFINITION)
    current = definition["spec"]
    version, *_ = [dict(item) for item in current["versions"]]
    columns = version["additionalPrinterColumns"][:1]
    await admin.patch(
        *("CustomResourceDefinition", None, DEFINITION),
        {"spec": {"versions": [version | {"additionalPrinterColumns": columns}]}},
    )

    upgrading = asyncio.create_task(asyncio.to_thread(install, cluster_helm, restricted))
    job = await admin.until("Job", restricted, f"{restricted}-operator-crd-upgrade", lambda body: body.get("spec"))
    await run_as_pod(admin, bare_cluster, restricted, job)
    await upgrading

    after = await admin.get("CustomResourceDefinition", None, DEFINITION)
    assert after["spec"]["versions"] == current["versions"]
    assert await admin.find("Job", restricted, job["metadata"]["name"]) is None
    names = [body["metadata"]["name"] for body in await admin.list("ClusterRole")]
    assert not [name for name in names if name.endswith("crd-upgrade")]


async def test_newer_definition_is_kept(
    cluster_helm: Helm, admin: Api, bare_cluster: ControlPlane, restricted: str
) -> None:
    """A second release with an older chart, or a downgrade: the API server would drop fields of existing pipelines."""
    install(cluster_helm, restricted)
    definition = await admin.get("CustomResourceDefinition", None, DEFINITION)
    version, *_ = [dict(item) for item in definition["spec"]["versions"]]
    newer = {
        "metadata": {"annotations": {"speechpipeline.dev/version": "99.0.0"}},
        "spec": {"versions": [version | {"additionalPrinterColumns": version["additionalPrinterColumns"][:1]}]},
    }
    kept = await admin.patch("CustomResourceDefinition", None, DEFINITION, newer)

    try:
        install(cluster_helm, restricted)  # a Job would not end here, for want of a kubelet
        config = {**os.environ, "KUBECONFIG": str(bare_cluster.kubeconfig())}
        command = [sys.executable, "-m", "speechoperator", "crd", "--apply"]
        process = await asyncio.create_subprocess_exec(*command, env=config, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()

        assert said.decode().startswith(f"kept {DEFINITION}: it is from version 99.0.0")
        after = await admin.get("CustomResourceDefinition", None, DEFINITION)
        assert after["spec"]["versions"] == kept["spec"]["versions"]
    finally:
        older = {"metadata": {"annotations": {"speechpipeline.dev/version": None}}, "spec": definition["spec"]}
        await admin.patch("CustomResourceDefinition", None, DEFINITION, older)


async def account(admin: Api, namespace: str, name: str) -> Identity:
    """Who a ServiceAccount is."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)
    return Identity(f"system:serviceaccount:{namespace}:{name}", answer["status"]["token"])


async def run_as_pod(admin: Api, cluster: ControlPlane, namespace: str, job: Object) -> None:
    """What the Job's pod would do, with the rights of its ServiceAccount; then the Job is complete."""
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    await admin.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"}, "spec": pod}, namespace, dryRun="All"
    )
    config = cluster.kubeconfig(await account(admin, namespace, pod["serviceAccountName"]))
    command = [sys.executable, "-m", "speechoperator", *container["args"]]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "KUBECONFIG": str(config)})
    assert await process.wait() == 0
    now = (await admin.get("Job", namespace, job["metadata"]["name"]))["metadata"]["creationTimestamp"]
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"succeeded": 1, "startTime": now, "completionTime": now, "conditions": conditions}
    await admin.patch("Job", namespace, job["metadata"]["name"], {"status": status}, sub="status")


@pytest.mark.usefixtures("no_definition")
async def test_no_definition_is_made_where_it_is_not_wanted(cluster_helm: Helm, restricted: str) -> None:
    with pytest.raises(HelmError, match="no matches for kind"):
        install(cluster_helm, restricted, "--skip-crds")


async def test_two_operators_of_one_namespace_each_get_along(cluster_helm: Helm, admin: Api) -> None:
    for namespace in ("one-team", "other-team"):
        cluster_helm(
            *("install", "speech", CHART, "--namespace", namespace, "--create-namespace"),
            *("--set", f"watchNamespaces={{{namespace}}}"),
        )

    for namespace in ("one-team", "other-team"):
        assert await admin.get("Role", namespace, "speech-operator")
        cluster_helm("uninstall", "speech", "--namespace", namespace)


async def test_editor_of_a_namespace_may_edit_its_pipelines(
    cluster_helm: Helm, admin: Api, bare_cluster: ControlPlane, restricted: str
) -> None:
    install(cluster_helm, restricted)
    person = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "editor", "namespace": restricted}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "editor", "namespace": restricted},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": "editor", "namespace": restricted}],
    }
    for body in (person, binding):
        await admin.apply(body)
    aggregated = {"speechpipelines", "speechpipelines/scale"}
    await admin.until(
        "ClusterRole", None, "edit", lambda body: aggregated <= {r for x in body["rules"] for r in x["resources"]}
    )
    identity = await account(admin, restricted, "editor")

    async with Api(bare_cluster.access(identity)) as editor:
        await editor.patch("SpeechPipeline", restricted, "calls", {"spec": {"bridge": {"replicas": 3}}})
        with pytest.raises(ApiError) as refused:
            await editor.patch("SpeechPipeline", restricted, "calls", {"status": {}}, sub="status")

    assert refused.value.code == 403
