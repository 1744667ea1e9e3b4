"""The reasons of conditions: one table entry each. They are part of the API, since people and alerts match on them.

`docs/reference/conditions.md` is generated from this table.
"""

from __future__ import annotations

from enum import Enum, unique


class Kind(Enum):
    """What a reason means for the pipeline."""

    FINDING = "finding"
    """A fault that does not pass by waiting."""
    WAITING = "waiting"
    """A state that passes by waiting, or that the spec asks for."""
    GOOD = "good"
    """The desired state."""


class Actor(Enum):
    """Who has to act."""

    OWNER = "pipeline owner"
    ADMIN = "cluster administrator"
    WAIT = "none: wait"
    NONE = "none"


@unique
class Reason(Enum):
    """A reason. The most useful to report come first; later findings often follow from earlier ones.

    Attributes:
        text: The reason as it appears in conditions, in CamelCase.
        kind: What it means for the pipeline.
        actor: Who has to act.
        meaning: What has been observed.
        action: What to do; empty if there is nothing to do.
    """

    # Rejected specs and writes come first: nothing below them can be true of the current spec.
    INVALID_SPEC = (
        "InvalidSpec",
        Kind.FINDING,
        Actor.OWNER,
        "An older CRD, or one that cannot check a `podTemplate`, has admitted an invalid spec. Pods keep running.",
        "Fix the fields named in the message, or upgrade the CRD. What is scaled to zero is not started until then.",
    )
    FORBIDDEN = (
        "Forbidden",
        Kind.FINDING,
        Actor.ADMIN,
        "RBAC does not allow the operator to read or write an object.",
        "Add the rule in the message to the operator's role.",
    )
    RECONCILE_FAILED = (
        "ReconcileFailed",
        Kind.FINDING,
        Actor.ADMIN,
        "The operator failed unexpectedly at this pipeline: a bug. Its components keep running; the operator retries.",
        "Report the bug, with the `exception` of the operator's log.",
    )
    NAME_CONFLICT = (
        "NameConflict",
        Kind.FINDING,
        Actor.OWNER,
        "An object of the required name exists and does not belong to the pipeline.",
        "Delete that object, or create the pipeline under another name.",
    )
    WRITE_CONFLICT = (
        "WriteConflict",
        Kind.FINDING,
        Actor.OWNER,
        "Another writer keeps changing an object of the pipeline back. The operator retries with increasing delays.",
        "Stop the writer in the message or let it leave the field alone. Without a name, check webhooks and operators.",
    )
    WRITE_REJECTED = (
        "WriteRejected",
        Kind.FINDING,
        Actor.OWNER,
        "The API server or a webhook rejected an object of the pipeline.",
        "Correct the field named in the message, or the policy of the webhook.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        Kind.FINDING,
        Actor.ADMIN,
        "A ResourceQuota of the namespace does not allow the object or the pod.",
        "Raise the quota, or lower the resources of the pipeline.",
    )
    FAILED_CREATE = (
        "FailedCreate",
        Kind.FINDING,
        Actor.ADMIN,
        "The ReplicaSet cannot create pods: Pod Security, a LimitRange or an admission webhook rejects them.",
        "Relax the policy named in the message for this namespace, or adapt the spec to it.",
    )
    PVC_NOT_FOUND = (
        "PVCNotFound",
        Kind.FINDING,
        Actor.OWNER,
        "The PVC in `cache.existingClaim` does not exist or cannot be used. Running pods keep their previous volume.",
        "Create the PVC, or change `cache.existingClaim`.",
    )
    PVC_NOT_BOUND = (
        "PVCNotBound",
        Kind.FINDING,
        Actor.ADMIN,
        "A PVC has no volume: its StorageClass is missing or cannot provision, or the volume was lost.",
        "Set `cache.storageClassName` to a class that can provision, or fix the provisioner.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        Kind.FINDING,
        Actor.ADMIN,
        "No node fits the pod: insufficient GPU, CPU or memory, an untolerated taint, or no matching label.",
        "Add or free a node, or lower `gpu`, `resources` or the placement constraints of the component.",
    )
    CREATE_CONTAINER_CONFIG_ERROR = (
        "CreateContainerConfigError",
        Kind.FINDING,
        Actor.OWNER,
        "The container cannot be created: a Secret or ConfigMap is missing, or the configuration is invalid.",
        "Create the object named in the message, or correct `env`, `apiKeys` or `image`.",
    )
    IMAGE_PULL_BACK_OFF = (
        "ImagePullBackOff",
        Kind.FINDING,
        Actor.OWNER,
        "The container image cannot be pulled.",
        "Check the name of the image, the access to its registry, and `imagePullSecrets`.",
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        Kind.FINDING,
        Actor.OWNER,
        "The container keeps exiting. The message has its exit code and its last log lines.",
        "Fix the cause in the message, such as a wrong model name, a wrong `env`, or a low memory limit.",
    )
    START_BLOCKED = (
        "StartBlocked",
        Kind.FINDING,
        Actor.ADMIN,
        "The node cannot start the pod: a volume cannot be attached or mounted, or its network cannot be set up.",
        "Resolve the Warning Event in the message.",
    )
    PROBE_FAILING = (
        "ProbeFailing",
        Kind.FINDING,
        Actor.OWNER,
        "The container is running but has not become ready in time.",
        "Read the log of the pod.",
    )
    POD_FAILED = (
        "PodFailed",
        Kind.FINDING,
        Actor.ADMIN,
        "A pod was evicted or failed; its ReplicaSet replaces it.",
        "If it recurs, give the node or the component more memory or disk; if it filled its cache, raise `cache.size`.",
    )
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        Kind.FINDING,
        Actor.OWNER,
        "A rollout has made no progress within the deadline of the Deployment.",
        "Inspect the Deployment and its pods with `kubectl describe`.",
    )
    PULL_FAILED = (
        "PullFailed",
        Kind.FINDING,
        Actor.OWNER,
        "A language model or the weights of Whisper cannot be downloaded. It is retried with increasing delays.",
        "Check the name of the model, the access to its registry or hub, and the free space in `cache`.",
    )
    LOAD_FAILED = (
        "LoadFailed",
        Kind.FINDING,
        Actor.OWNER,
        "Ollama cannot load a language model into memory. Loading is retried with increasing delays.",
        "Give the pods more memory or a larger GPU, or reduce `ollama.contextLength` or `ollama.parallel`.",
    )
    PARTLY_ON_CPU = (
        "PartlyOnCPU",
        Kind.FINDING,
        Actor.OWNER,
        "A language model does not fit in the memory of the GPUs: the rest of it runs on the CPU, many times slower.",
        "Use a larger GPU or a smaller model, or reduce `ollama.contextLength` or `ollama.parallel`.",
    )
    MODELS_SWAP = (
        "ModelsSwap",
        Kind.FINDING,
        Actor.OWNER,
        "The language models do not fit in memory together: Ollama unloads one to load another.",
        "Serve fewer or smaller models, use a larger GPU, or serve the models in pipelines of their own.",
    )
    OLLAMA_UNREACHABLE = (
        "OllamaUnreachable",
        Kind.FINDING,
        Actor.ADMIN,
        "Ollama is running, but the operator cannot list its models.",
        "Allow connections from the operator to the Ollama pods, or to `ollama.url`.",
    )
    MODELS_MISSING = (
        "ModelsMissing",
        Kind.FINDING,
        Actor.OWNER,
        "The external service does not have a model of the spec.",
        "Pull the model there, serve it under this name, or remove it from `ollama.models`.",
    )
    EXTERNAL_UNREACHABLE = (
        "ExternalUnreachable",
        Kind.FINDING,
        Actor.OWNER,
        "The external service at `url` does not respond, or responds with an error.",
        "Start the service, correct `url`, or allow connections from the operator.",
    )
    INGRESS_CLASS_MISSING = (
        "IngressClassMissing",
        Kind.FINDING,
        Actor.ADMIN,
        "The IngressClass does not exist, and no controller has given the Ingress an address.",
        "Install the ingress controller, or change `bridge.ingress.className`.",
    )
    GATEWAY_MISSING = (
        "GatewayMissing",
        Kind.FINDING,
        Actor.ADMIN,
        "The cluster has no Gateway API, or no controller has accepted the HTTPRoute for the Gateway.",
        "Install the Gateway API, create the Gateway, or change `bridge.gateway`.",
    )
    ROUTE_NOT_ACCEPTED = (
        "RouteNotAccepted",
        Kind.FINDING,
        Actor.ADMIN,
        "The Gateway rejects the HTTPRoute.",
        "Allow the namespace and the host in the listener of the Gateway, or change `bridge.gateway`.",
    )

    VERIFICATION_FAILED = (
        "VerificationFailed",
        Kind.FINDING,
        Actor.OWNER,
        "All components are available, but a spoken sentence sent to the bridge is not answered. It is sent again.",
        "Read the logs of the bridge, Whisper and Ollama. Pods that are not verified become Ready after 2 minutes.",
    )

    UNKNOWN_TIME_ZONE = (
        "UnknownTimeZone",
        Kind.FINDING,
        Actor.OWNER,
        "No time zone has the name in `timeZone`. The schedule is ignored, and the rest of the spec is followed.",
        "Correct `timeZone` of the schedule in the message.",
    )

    SUSPENDED = (
        "Suspended",
        Kind.WAITING,
        Actor.NONE,
        "`spec.suspend` is true: all components are scaled to zero, PVCs are kept.",
        "Set `spec.suspend` to false to resume.",
    )
    SCALED_TO_ZERO = (
        "ScaledToZero",
        Kind.WAITING,
        Actor.NONE,
        "The component is scaled to zero: it is idle, or the spec asks for zero replicas.",
        "Nothing for Whisper and Ollama: the next request starts them. Increase `bridge.replicas` to serve requests.",
    )
    MODELS_PULLING = (
        "ModelsPulling",
        Kind.WAITING,
        Actor.WAIT,
        "Language models are being pulled; `status.models` has the progress.",
    )
    WAITING_FOR_NODE = (
        "WaitingForNode",
        Kind.WAITING,
        Actor.WAIT,
        "No node fits a pod yet. After `UNSCHEDULABLE_GRACE`, or once the autoscaler adds none, it is `Unschedulable`.",
    )
    STARTING = (
        "Starting",
        Kind.WAITING,
        Actor.WAIT,
        "Pods are starting, or wait until a terminating one has finished its requests and frees its GPU or volume.",
    )
    ROLLOUT_IN_PROGRESS = (
        "RolloutInProgress",
        Kind.WAITING,
        Actor.WAIT,
        "A change is being rolled out, or an Ingress or HTTPRoute is being created.",
    )
    WAITING_FOR_MODELS = (
        "WaitingForModels",
        Kind.WAITING,
        Actor.WAIT,
        "The pods are running and become ready once they have all models.",
    )
    WARMING = (
        "Warming",
        Kind.WAITING,
        Actor.WAIT,
        "Ollama loads the language models into memory, so that the first request does not wait for that.",
    )
    WAITING_FOR_OLLAMA = (
        "WaitingForOllama",
        Kind.WAITING,
        Actor.WAIT,
        "No Ollama pod has reported its models yet.",
    )
    NOT_PROBED = (
        "NotProbed",
        Kind.WAITING,
        Actor.WAIT,
        "The external service at `url` has not been probed yet.",
    )
    LIST_FAILED = (
        "ListFailed",
        Kind.WAITING,
        Actor.WAIT,
        "The operator cannot list a kind of object. It acts on its last known state, or on nothing if it has none.",
        "If it lasts, add the rule in the message to the operator's role, or check the API server.",
    )
    NO_DEFAULT_INGRESS_CLASS = (
        "NoDefaultIngressClass",
        Kind.WAITING,
        Actor.WAIT,
        "The spec names no IngressClass and the cluster has no default. A controller may serve the Ingress anyway.",
        "If the URL does not respond, set `bridge.ingress.className`.",
    )
    UPDATE_QUEUED = (
        "UpdateQueued",
        Kind.WAITING,
        Actor.WAIT,
        "A new release of the operator changes the pods. Other pipelines are updated first.",
        "Wait. If it lasts, look for a pipeline with the reason `Updating` that does not become ready.",
    )
    UPDATING = (
        "Updating",
        Kind.WAITING,
        Actor.WAIT,
        "The pods are being replaced because of a new release of the operator.",
    )
    UPDATE_HELD = (
        "UpdateHeld",
        Kind.WAITING,
        Actor.NONE,
        "A new release of the operator changes the pods, and `spec.upgradePolicy` is `Manual`.",
        "Set `spec.upgradePolicy` to `Automatic` to replace the pods.",
    )
    SCALING_OFF = (
        "Off",
        Kind.WAITING,
        Actor.NONE,
        "`spec.scaling.mode` is `Off`: the replicas of Whisper and Ollama are left to another writer.",
        "Set `spec.scaling.mode` to `Auto` to let the operator scale them.",
    )
    ADVISORY = (
        "Advisory",
        Kind.WAITING,
        Actor.NONE,
        "`spec.scaling.mode` is `Advisory`: `status.scalingHistory` has the decisions, and none is written.",
        "Set `spec.scaling.mode` to `Auto` to let the operator write them.",
    )
    LOAD_UNKNOWN = (
        "LoadUnknown",
        Kind.WAITING,
        Actor.WAIT,
        "Pods and bridges do not report their load, so replicas are kept within their bounds.",
        "If it lasts, check that the operator may connect to the pods, and that the engine has `/load`.",
    )
    RETRYING = (
        "Retrying",
        Kind.WAITING,
        Actor.WAIT,
        "A write failed with a transient error of the API server and is retried.",
    )

    VERIFYING = (
        "Verifying",
        Kind.WAITING,
        Actor.WAIT,
        "New pods or models are available, and a spoken sentence is sent through all components before Ready is True.",
    )
    KEYS_REQUIRED = (
        "KeysRequired",
        Kind.WAITING,
        Actor.NONE,
        "The bridge requires an API key, and the operator reads no Secrets: it sends no spoken sentence.",
        "Nothing: it stays so. Let your monitoring send a request with a key of its own.",
    )
    EXTERNAL_SERVICE = (
        "ExternalService",
        Kind.WAITING,
        Actor.NONE,
        "A component is an external service, which may bill each request: the operator sends no spoken sentence.",
        "Nothing: it stays so. Let your monitoring send a request, if the service may be billed for it.",
    )

    VALID = ("Valid", Kind.GOOD, Actor.NONE, "The spec is valid.")
    READY = ("Ready", Kind.GOOD, Actor.NONE, "The pipeline serves requests and matches its spec.")
    IDLE = (
        "Idle",
        Kind.GOOD,
        Actor.NONE,
        "A component is scaled to zero. The next request starts Whisper and Ollama; without bridges, none is served.",
        "Increase `bridge.replicas` if it is 0 and requests are to be served.",
    )
    AVAILABLE = (
        "Available",
        Kind.GOOD,
        Actor.NONE,
        "The component has enough ready replicas, or the external service responds.",
    )
    CREDENTIALS_REQUIRED = (
        "CredentialsRequired",
        Kind.GOOD,
        Actor.NONE,
        "The external service responds, and rejects requests without credentials. The operator reads no Secrets.",
    )
    MODELS_PRESENT = ("ModelsPresent", Kind.GOOD, Actor.NONE, "Every Ollama pod has all models.")
    MODELS_LOADED = (
        "ModelsLoaded",
        Kind.GOOD,
        Actor.NONE,
        "Every Ollama pod has loaded all models since it started; what it unloads after `keepAlive` stays unloaded.",
    )
    EXPOSED = ("Exposed", Kind.GOOD, Actor.NONE, "The bridge is exposed at the URL in the message.")
    NOT_USED = (
        "NotUsed",
        Kind.GOOD,
        Actor.NONE,
        "PVCs of the pipeline are no longer used. Their data is kept.",
        "Delete them with the commands in the message if the data is no longer needed.",
    )
    VERIFIED = (
        "Verified",
        Kind.GOOD,
        Actor.NONE,
        "A spoken sentence sent to the bridge was transcribed and answered; the message has the times.",
    )
    AUTO = ("Auto", Kind.GOOD, Actor.NONE, "The replicas of Whisper and Ollama follow their load.")
    LIMITED_BY_MAXIMUM = (
        "LimitedByMaximum",
        Kind.GOOD,
        Actor.NONE,
        "The load needs more replicas than `scaling.maxReplicas`.",
        "Raise `scaling.maxReplicas` if requests wait too long.",
    )
    LIMITED_BY_BUDGET = (
        "LimitedByBudget",
        Kind.GOOD,
        Actor.NONE,
        "The load needs more GPUs than `spec.scaling.gpuBudget`, or GPUs are still used by terminating pods.",
        "Raise `spec.scaling.gpuBudget` if requests wait too long.",
    )
    UP_TO_DATE = ("UpToDate", Kind.GOOD, Actor.NONE, "All components match the spec.")

    def __init__(self, text: str, kind: Kind, actor: Actor, meaning: str, action: str = "") -> None:
        self.text = text
        self.kind = kind
        self.actor = actor
        self.meaning = meaning
        self.action = action

    @property
    def rank(self) -> int:
        """The position in the table: the lower, the more useful to report."""
        return _RANKS[self]


_RANKS = {reason: rank for rank, reason in enumerate(Reason)}

FINDINGS = frozenset(reason.text for reason in Reason if reason.kind is Kind.FINDING)
"""Reasons of findings, as they appear in conditions."""
