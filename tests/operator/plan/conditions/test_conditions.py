"""Each fault is named in a condition, in the words of the scheduler, the kubelet or the API server, with what to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_whisper, pipeline
from fakes.planned_cluster import WRITTEN_NOON, PlannedCluster
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan
from speechoperator.plan.snapshot import NAME_TAKEN, Health, WriteFailure

pytestmark = pytest.mark.unit

GPU = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are "
    "available: 1 No preemption victims found for incoming pod."
)
NO_IMAGE = (
    'failed to pull and unpack image "docker.io/team/nosuch:1": failed to resolve reference '
    '"docker.io/team/nosuch:1": docker.io/team/nosuch:1: not found'
)


def running(*changes: dict[str, Any]) -> PlannedCluster:
    found = PlannedCluster(pipeline(*changes))
    found.run()
    return found


def condition(plan: Plan, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in plan.status["conditions"] if one["type"] == kind)
    return found


def said(plan: Plan, kind: str) -> tuple[str, str, str]:
    found = condition(plan, kind)
    return found["status"], found["reason"], found["message"]


def unscheduled(message: str, since: str = WRITTEN_NOON) -> dict[str, Any]:
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [waits | {"lastTransitionTime": since}]}


def waiting(reason: str, message: str | None = None, last: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod on a node, whose container waits."""
    return contained(
        {
            "ready": False,
            "started": False,
            "restartCount": 4 if last else 0,
            "state": {"waiting": {"reason": reason, **({"message": message} if message else {})}},
            "lastState": {"terminated": last} if last else {},
        },
        phase="Running" if last else "Pending",
    )


def unready(*, started: bool = True, last: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod whose container runs since noon and whose probe fails."""
    return contained(
        {
            "ready": False,
            "started": started,
            "restartCount": 1 if last else 0,
            "state": {"running": {"startedAt": WRITTEN_NOON}},
            "lastState": {"terminated": last} if last else {},
        }
    )


def contained(container: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    return {
        "phase": phase,
        "podIP": "10.0.0.9",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
        ],
        "containerStatuses": [{"name": "whisper", "image": "team/nosuch:1", "imageID": "", **container}],
    }


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": WRITTEN_NOON,
        "finishedAt": WRITTEN_NOON,
        "message": message,
    }


def faulty(status: dict[str, Any], *changes: dict[str, Any], part: str = "whisper") -> PlannedCluster:
    """A cluster in which the first pod of a part has this status."""
    found = running(*changes)
    found.pods_of(part)[0]["status"] = status
    found.settle()
    return found


def test_a_gpu_that_no_node_has() -> None:
    plan = faulty(unscheduled(GPU), of_whisper(gpu={})).plan()

    status, reason, message = said(plan, "WhisperAvailable")
    assert (status, reason) == ("False", "Unschedulable")
    assert "1 Insufficient nvidia.com/gpu" in message
    assert message.endswith(
        "Free a GPU or add a node that offers nvidia.com/gpu; without whisper.gpu it runs on the CPU"
    )
    assert said(plan, "Ready") == ("False", "Unschedulable", f"whisper: {message}")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        pytest.param(
            unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
            "Unschedulable",
            "3 node(s) didn't match Pod's node affinity/selector",
            id="no node fits",
        ),
        pytest.param(
            unscheduled('0/1 nodes are available: persistentvolumeclaim "weights" not found.'),
            "ClaimMissing",
            'persistentvolumeclaim "weights" not found. Make the claim, or change whisper.cache.existingClaim',
            id="no claim",
        ),
        pytest.param(waiting("ErrImagePull", NO_IMAGE), "ImagePullFailed", NO_IMAGE, id="no image"),
        pytest.param(
            waiting("ImagePullBackOff", f'Back-off pulling image "team/nosuch:1": ErrImagePull: {NO_IMAGE}'),
            "ImagePullFailed",
            NO_IMAGE,
            id="no image, later",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "team/nosuch:1"'),
            "ImagePullFailed",
            'Back-off pulling image "team/nosuch:1"',
            id="no image, before Kubernetes 1.32",
        ),
        pytest.param(
            waiting("InvalidImageName", 'Failed to apply default image tag "A:B:C": couldn\'t parse image name'),
            "ImagePullFailed",
            "couldn't parse image name",
            id="image of a wrong name",
        ),
        pytest.param(
            waiting("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never'),
            "ImagePullFailed",
            "is not present with pull policy of Never",
            id="image never pulled",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "hub-token" not found'),
            "ConfigError",
            'secret "hub-token" not found',
            id="no secret for a variable",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
            "ConfigError",
            "image will run as root",
            id="image of root",
        ),
        pytest.param(
            waiting(
                "CrashLoopBackOff", "back-off 40s restarting failed", ended(1, "Error", "Traceback\nValueError: no\n")
            ),
            "CrashLooping",
            "container whisper ended with exit code 1: Traceback | ValueError: no",
            id="crash",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s restarting failed", ended(137, "OOMKilled")),
            "CrashLooping",
            "container whisper ended with exit code 137 (OOMKilled). Raise whisper.resources.limits.memory",
            id="out of memory",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s restarting failed", ended(0, "Completed")),
            "CrashLooping",
            "container whisper ended with exit code 0 (Completed)",
            id="ends without an error",
        ),
        pytest.param(
            waiting("RunContainerError", 'exec: "serve": executable file not found in $PATH'),
            "CrashLooping",
            'container whisper does not start: exec: "serve": executable file not found in $PATH',
            id="no program",
        ),
        pytest.param(
            unready(last=ended(139)),
            "CrashLooping",
            "container whisper ended with exit code 139",
            id="crashed, starts again",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "PodFailed",
            "Evicted: The node was low on resource: memory",
            id="evicted",
        ),
    ],
)
def test_a_pod_that_does_not_serve(status: dict[str, Any], reason: str, words: str) -> None:
    broken = faulty(status)
    pod = broken.pods_of("whisper")[0]["metadata"]["name"]

    plan = broken.plan()

    assert said(plan, "WhisperAvailable")[:2] == ("False", reason)
    assert said(plan, "WhisperAvailable")[2].startswith(f"0 of 1 ready; pod {pod}: ")
    assert words in said(plan, "WhisperAvailable")[2]
    assert said(plan, "Ready")[1] == reason
    assert said(plan, "Progressing")[:2] == ("False", reason)
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", reason)]


def test_a_secret_that_a_volume_needs() -> None:
    broken = faulty(waiting("ContainerCreating"), of_bridge(replicas=1, apiKeys={"secretName": "keys"}), part="bridge")
    pod = broken.pods_of("bridge")[0]["metadata"]["name"]
    broken.pod_warnings[pod] = 'MountVolume.SetUp failed for volume "api-keys" : secret "keys" not found'

    assert said(broken.plan(), "BridgeAvailable")[1] == "ConfigError"
    assert 'secret "keys" not found' in said(broken.plan(), "BridgeAvailable")[2]


def test_a_volume_that_cannot_be_attached() -> None:
    broken = faulty(waiting("ContainerCreating"))
    pod = broken.pods_of("whisper")[0]["metadata"]["name"]
    broken.pod_warnings[pod] = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) x'

    assert said(broken.plan(), "WhisperAvailable")[1] == "StartBlocked"


def test_what_the_scheduler_warned_of_before_it_found_a_node_is_forgotten() -> None:
    starting = faulty(waiting("ContainerCreating"))
    pod = starting.pods_of("whisper")[0]["metadata"]["name"]
    starting.pod_warnings[pod] = GPU

    assert said(starting.plan(), "WhisperAvailable")[1] == "Starting"


def test_a_restart_of_the_node_is_no_crash() -> None:
    assert said(faulty(unready(last=ended(255, "Unknown"))).plan(), "WhisperAvailable")[1] == "Starting"


def test_a_probe_that_fails_for_long() -> None:
    slow = faulty(unready())
    pod = slow.pods_of("whisper")[0]["metadata"]["name"]
    slow.pod_warnings[pod] = "Readiness probe failed: HTTP probe failed with statuscode: 503"

    soon = slow.plan()
    assert (said(soon, "WhisperAvailable")[1], soon.requeue_after) == ("Starting", 30)
    assert said(soon, "WhisperAvailable")[2] == f"0 of 1 ready; pod {pod} starts"

    slow.later(30)
    late = slow.plan()
    assert (said(late, "WhisperAvailable")[1], late.requeue_after) == ("ProbeFailing", None)
    assert "statuscode: 503" in said(late, "WhisperAvailable")[2]


def test_weights_may_take_minutes_to_load() -> None:
    slow = faulty(unready(started=False))
    slow.later(599)
    assert said(slow.plan(), "WhisperAvailable")[1] == "Starting"

    slow.later(1)
    assert said(slow.plan(), "WhisperAvailable")[1] == "ProbeFailing"


class TestClaim:
    UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"

    def pending(self) -> PlannedCluster:
        found = faulty(unscheduled(self.UNBOUND))
        found.object("PersistentVolumeClaim", "calls-whisper")["status"] = {"phase": "Pending"}
        return found

    def test_its_provisioner_says_why(self) -> None:
        broken = self.pending()
        broken.claim_warnings["calls-whisper"] = 'storageclass.storage.k8s.io "fast" not found'

        status, reason, message = said(broken.plan(), "WhisperAvailable")

        assert (status, reason) == ("False", "ClaimUnbound")
        assert message == '0 of 1 ready; claim calls-whisper: storageclass.storage.k8s.io "fast" not found'

    def test_without_a_default_class_that_is_what_to_do(self) -> None:
        broken = self.pending()
        del broken.object("PersistentVolumeClaim", "calls-whisper")["spec"]["storageClassName"]
        broken.claim_warnings["calls-whisper"] = (
            "no persistent volumes available for this claim and no storage class is set"
        )

        message = said(broken.plan(), "WhisperAvailable")[2]

        assert "no storage class is set. The cluster has no default StorageClass: set whisper.cache" in message

    def test_a_provisioner_gets_a_moment(self) -> None:
        binding = self.pending()

        soon = binding.plan()
        assert (said(soon, "WhisperAvailable")[1], soon.requeue_after) == ("Starting", 5)

        binding.later(5)
        assert said(binding.plan(), "WhisperAvailable")[1] == "ClaimUnbound"

    def test_one_that_lost_its_volume(self) -> None:
        broken = faulty(unscheduled("x"))
        broken.object("PersistentVolumeClaim", "calls-whisper")["status"] = {"phase": "Lost"}

        assert said(broken.plan(), "WhisperAvailable")[1] == "ClaimUnbound"


def without_pods(*changes: dict[str, Any], **condition: str) -> PlannedCluster:
    """A cluster in which Whisper's pods cannot be made, and its Deployment says so."""
    found = running(*changes)
    found.pods = [pod for pod in found.pods if pod not in found.pods_of("whisper")]
    deployment = found.object("Deployment", "calls-whisper")
    generation = deployment["metadata"]["generation"]
    deployment["status"] = {"observedGeneration": generation, "unavailableReplicas": 1, "conditions": [condition]}
    return found


def failure(message: str) -> dict[str, str]:
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}


def test_a_quota_that_is_used_up() -> None:
    words = "exceeded quota: small, requested: limits.cpu=2, used: limits.cpu=4, limited: limits.cpu=4"
    plan = without_pods(**failure(f'pods "calls-whisper-5d8f7-x2x9p" is forbidden: {words}')).plan()

    status, reason, message = said(plan, "WhisperAvailable")
    assert (status, reason) == ("False", "QuotaExceeded")
    assert words in message
    again = without_pods(**failure(f'pods "calls-whisper-5d8f7-b7c4q" is forbidden: {words}')).plan()
    assert said(again, "WhisperAvailable")[2] == message, "each try has another pod name, which is no news"


def test_pods_that_the_namespace_does_not_take() -> None:
    words = (
        'pods "calls-whisper-5d8f7-x2x9p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    )
    plan = without_pods(**failure(words)).plan()

    assert said(plan, "WhisperAvailable")[1] == "PodsForbidden"
    assert 'violates PodSecurity "restricted:latest"' in said(plan, "WhisperAvailable")[2]


def test_a_rollout_that_hangs_for_another_reason() -> None:
    plan = without_pods(
        type="Progressing", status="False", reason="ProgressDeadlineExceeded", message='ReplicaSet "x" has timed out.'
    ).plan()

    assert said(plan, "WhisperAvailable")[1] == "RolloutStuck"


class TestRollout:
    def rolling(self, **changes: int) -> PlannedCluster:
        """A bridge of two whose new pod is not ready; both old ones serve."""
        found = running()
        deployment = found.object("Deployment", "calls-bridge")
        deployment["metadata"]["generation"] += 1
        counted = {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "observedGeneration": 99}
        deployment["status"] = counted | changes
        return found

    def test_old_pods_keep_the_part_available(self) -> None:
        plan = self.rolling().plan()

        assert said(plan, "BridgeAvailable")[0] == "True"
        assert said(plan, "Ready")[:2] == ("False", "RolloutInProgress")
        assert said(plan, "Progressing")[:2] == ("True", "RolloutInProgress")

    def test_what_keeps_it_from_ending_is_named_though_the_part_is_available(self) -> None:
        stuck = self.rolling()
        new = stuck.pods_of("bridge")[0]
        stuck.pods.append(
            {**new, "metadata": new["metadata"] | {"name": "new"}, "status": waiting("ErrImagePull", NO_IMAGE)}
        )

        plan = stuck.plan()

        assert said(plan, "BridgeAvailable")[0] == "True"
        assert said(plan, "Progressing")[:2] == ("False", "ImagePullFailed")
        assert said(plan, "Ready")[:2] == ("False", "ImagePullFailed")
        assert [event.reason for event in plan.events] == ["ImagePullFailed"]

    def test_what_a_deployment_said_of_an_older_spec_is_not_believed(self) -> None:
        stale = running(of_bridge(replicas=1))
        stale.object("Deployment", "calls-bridge")["metadata"]["generation"] += 1
        stale.pods_of("bridge")[0]["status"] = waiting("ContainerCreating")

        assert said(stale.plan(), "BridgeAvailable")[:2] == ("False", "Starting")

    def test_a_new_spec_is_not_ready_before_it_is_written(self) -> None:
        edited = running()
        edited.edit(pipeline(of_bridge(requestTimeout="60s"))["spec"])

        plan = edited.plan()

        assert said(plan, "Ready")[:2] == ("False", "RolloutInProgress")
        assert plan.status["observedGeneration"] == 2
        assert said(plan, "BridgeAvailable")[0] == "True"

    def test_a_new_spec_that_changes_no_pods_is_ready_at_once(self) -> None:
        edited = running()
        edited.edit(pipeline(of_bridge(ingress={"host": "a.example"}))["spec"])
        edited.step()

        assert said(edited.plan(), "Ready")[0] == "True"

    def test_the_pod_that_a_new_one_waits_for_is_named(self) -> None:
        replaced = running()
        pod = replaced.pods_of("whisper")[0]
        pod["metadata"]["deletionTimestamp"] = WRITTEN_NOON
        replaced.object("Deployment", "calls-whisper")["status"] = {"observedGeneration": 9}

        name = pod["metadata"]["name"]
        message = said(replaced.plan(), "WhisperAvailable")[2]
        assert message == f"0 of 1 ready; pod {name} finishes its requests first"


class TestRefusedWrites:
    DENIED = (
        'deployments.apps "calls-bridge" is forbidden: User "system:serviceaccount:speech:operator" cannot patch '
        'resource "deployments" in API group "apps" in the namespace "team"'
    )

    def refused(self, code: int, message: str, kind: str = "Deployment", verb: str = "patch") -> PlannedCluster:
        found = running()
        found.objects[Ref(kind, "calls-bridge")]["metadata"]["labels"].clear()
        found.failures = (WriteFailure(Ref(kind, "calls-bridge"), verb, code, message),)
        return found

    def test_a_right_that_is_missing(self) -> None:
        plan = self.refused(403, self.DENIED).plan()

        message = (
            "Deployment calls-bridge: the operator may not patch deployments in namespace team. "
            'Give the operator\'s role: apiGroups ["apps"], resources ["deployments"], verbs ["patch"]'
        )
        assert said(plan, "Ready") == ("False", "WriteForbidden", message)
        assert said(plan, "Progressing") == ("False", "WriteForbidden", message)
        assert said(plan, "BridgeAvailable")[0] == "True", "it serves as it is"
        assert [event.reason for event in plan.events] == ["WriteForbidden"]

    def test_once_it_need_not_be_written_any_more_it_is_forgotten(self) -> None:
        mended = running()
        mended.failures = (WriteFailure(Ref("Deployment", "calls-bridge"), "patch", 403, self.DENIED),)

        assert said(mended.plan(), "Ready")[0] == "True"

    def test_a_right_to_look_is_missing(self) -> None:
        blind = running()
        message = 'services is forbidden: User "x" cannot list resource "services" in API group "" at the cluster scope'
        blind.failures = (WriteFailure(Ref("Service", ""), "list", 403, message),)

        assert said(blind.plan(), "Ready")[1] == "WriteForbidden"
        assert "the operator may not list services" in said(blind.plan(), "Ready")[2]

    def test_a_right_on_a_subresource_is_missing(self) -> None:
        message = (
            'pods "x" is forbidden: User "x" cannot patch resource "pods/status" in API group "" in the namespace "t"'
        )
        blind = PlannedCluster(pipeline())
        blind.carry_out(blind.plan())
        blind.settle()
        blind.step()
        blind.settle()
        (gate,) = blind.plan().gates
        blind.failures = (WriteFailure(Ref("Pod", gate.pod), "patch", 403, message),)

        assert "the operator may not patch pods/status in namespace t" in said(blind.plan(), "OllamaAvailable")[2]

    def test_a_quota_on_objects(self) -> None:
        words = (
            'persistentvolumeclaims "calls-ollama" is forbidden: exceeded quota: q, requested: requests.storage=50Gi'
        )
        plan = self.refused(403, words, "Service", "create").plan()

        assert said(plan, "Ready")[:2] == ("False", "QuotaExceeded")

    def test_a_name_that_is_somebody_elses(self) -> None:
        words = "another of this name is there, which this pipeline did not make"
        taken = self.refused(409, words)
        taken.failures = (replace(taken.failures[0], reason=NAME_TAKEN),)

        advice = "Delete that one, or give the pipeline another name"
        assert said(taken.plan(), "Ready") == (
            "False",
            "NameTaken",
            f"Deployment calls-bridge: {words}. {advice}",
        )

    def test_an_object_that_is_not_valid(self) -> None:
        words = 'Deployment.apps "calls-bridge" is invalid: spec.template.spec.affinity: Invalid value'
        plan = self.refused(422, words).plan()

        assert said(plan, "Ready")[:2] == ("False", "WriteRejected")
        assert words in said(plan, "Ready")[2]

    @pytest.mark.parametrize(("code", "message"), [(0, ""), (409, "conflict"), (429, "too many"), (503, "etcd")])
    def test_what_passes_by_itself_is_tried_again(self, code: int, message: str) -> None:
        plan = self.refused(code, message).plan()

        assert said(plan, "Ready")[0] == "True"
        assert said(plan, "Progressing")[:2] == ("True", "Retrying")
        assert not plan.events


class TestExposure:
    def test_an_ingress_class_that_is_missing(self) -> None:
        found = running(of_bridge(ingress={"host": "a.example", "className": "traefik"}))
        found.ingress_class_missing = "traefik"

        message = "the cluster has no IngressClass traefik: install its controller, or change bridge.ingress.className"
        assert said(found.plan(), "Exposed") == ("False", "IngressClassMissing", message)
        assert said(found.plan(), "Ready")[1] == "IngressClassMissing"

    def test_no_class_named_and_no_default(self) -> None:
        found = running(of_bridge(ingress={"host": "a.example"}))
        found.ingress_class_missing = ""

        assert "no default IngressClass" in said(found.plan(), "Exposed")[2]

    def test_an_ingress_that_is_there(self) -> None:
        assert said(running(of_bridge(ingress={"host": "a.example"})).plan(), "Exposed")[0] == "True"

    def test_nothing_asked_for_nothing_said(self) -> None:
        assert "Exposed" not in {one["type"] for one in running().plan().status["conditions"]}

    def routed(self, *answers: tuple[str, str, str]) -> PlannedCluster:
        found = running(of_bridge(gateway={"host": "a.example", "parentRef": {"name": "gate"}}))
        said = [{"type": kind, "status": status, "reason": why, "message": "because"} for kind, status, why in answers]
        parents = [{"parentRef": {"name": "gate"}, "conditions": said}] if said else []
        found.object("HTTPRoute", "calls-bridge")["status"] = {"parents": parents}
        return found

    def test_a_route_that_a_gateway_took(self) -> None:
        found = self.routed(("Accepted", "True", "Accepted"), ("ResolvedRefs", "True", "ResolvedRefs"))

        assert said(found.plan(), "Exposed") == ("True", "Exposed", "http://a.example")

    def test_a_route_that_a_gateway_refused(self) -> None:
        found = self.routed(("Accepted", "False", "NotAllowedByListeners"))

        assert said(found.plan(), "Exposed")[1] == "RouteRefused"
        assert "NotAllowedByListeners: because" in said(found.plan(), "Exposed")[2]

    def test_a_gateway_that_nobody_serves(self) -> None:
        found = self.routed()
        assert (said(found.plan(), "Exposed")[1], found.plan().requeue_after) == ("RolloutInProgress", 5)

        found.later(5)
        assert said(found.plan(), "Exposed")[1] == "GatewayMissing"

    def test_a_cluster_without_gateway_api(self) -> None:
        found = running(of_bridge(gateway={"host": "a.example", "parentRef": {"name": "gate"}}))
        ref = Ref("HTTPRoute", "calls-bridge")
        del found.objects[ref]
        found.failures = (WriteFailure(ref, "patch", 404, "the server could not find the requested resource"),)

        assert said(found.plan(), "Exposed")[1] == "GatewayMissing"


class TestElsewhere:
    def outside(self, **health: Any) -> Plan:
        found = PlannedCluster(pipeline(of_whisper(url="http://asr:9000")))
        found.answers = {"whisper": Health(**health)} if health else {}
        return found.run()

    def test_not_asked_yet(self) -> None:
        assert said(self.outside(), "WhisperAvailable")[:2] == ("Unknown", "NotChecked")
        assert said(self.outside(), "Ready")[0] == "False"

    def test_answers(self) -> None:
        plan = self.outside(healthy=True)

        assert said(plan, "WhisperAvailable")[0] == "True"
        assert said(plan, "Ready")[0] == "True"
        assert plan.status["whisper"] == {"summary": "external", "replicasReason": "runs at http://asr:9000"}

    def test_does_not_answer(self) -> None:
        plan = self.outside(healthy=False, detail="connection refused")

        assert said(plan, "WhisperAvailable") == ("False", "ExternalUnreachable", "http://asr:9000: connection refused")
        assert said(plan, "Ready")[1] == "ExternalUnreachable"


@pytest.mark.parametrize(
    ("one", "other", "winner"),
    [
        (unscheduled(GPU), waiting("ErrImagePull", NO_IMAGE), "Unschedulable"),
        (waiting("CrashLoopBackOff", "x", ended(1)), waiting("CreateContainerConfigError", "secret"), "ConfigError"),
        ({"phase": "Failed", "reason": "Evicted"}, waiting("ErrImagePull", NO_IMAGE), "ImagePullFailed"),
    ],
)
@pytest.mark.parametrize("order", [lambda two: two, lambda two: two[::-1]], ids=["as told", "reversed"])
def test_the_most_useful_problem_wins(
    one: dict[str, Any], other: dict[str, Any], winner: str, order: Callable[[list[Any]], list[Any]]
) -> None:
    broken = running()
    for pod, status in zip(broken.pods_of("bridge"), order([one, other]), strict=True):
        pod["status"] = status
    broken.settle()

    assert said(broken.plan(), "BridgeAvailable")[1] == winner


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    found = running()
    found.later(60)
    found.pods_of("whisper")[0]["status"] = unscheduled(GPU)
    found.settle()

    plan = found.step()

    assert condition(plan, "WhisperAvailable")["lastTransitionTime"] == "2026-11-23T12:01:00Z"
    assert condition(plan, "BridgeAvailable")["lastTransitionTime"] == WRITTEN_NOON
    found.later(60)
    assert condition(found.plan(), "WhisperAvailable")["lastTransitionTime"] == "2026-11-23T12:01:00Z"


def test_an_event_is_told_once() -> None:
    broken = faulty(unscheduled(GPU))

    assert [event.reason for event in broken.step().events] == ["Unschedulable"]
    assert not broken.step().events


def test_becoming_ready_is_told() -> None:
    found = PlannedCluster(pipeline())
    told = []
    for _ in range(8):
        told += [(event.type, event.reason) for event in found.step().events]
        found.settle()

    assert told == [("Normal", "ModelReady"), ("Normal", "Ready")]
