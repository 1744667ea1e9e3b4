"""Hypothesis strategies for pipelines: valid specs of every shape that the plan distinguishes, and pod statuses."""

from typing import Any

from hypothesis import strategies as st

Object = dict[str, Any]

_SHARED_PVCS = st.fixed_dictionaries(
    {"accessMode": st.just("ReadWriteMany")},
    optional={"whenDeleted": st.sampled_from(["Delete", "Retain"]), "size": st.sampled_from(["5Gi", "20Gi"])},
)
_EXISTING = st.sampled_from(["weights", "calls-whisper", "calls-ollama"]).map(lambda name: {"existingClaim": name})
"""A PVC of the user, and those that the operator creates for a pipeline `calls`."""
_SHARED = st.one_of(st.just({"ephemeral": True}), _EXISTING, _SHARED_PVCS)
_SINGLE_NODE_PVCS = st.fixed_dictionaries({}, optional={"whenDeleted": st.sampled_from(["Delete", "Retain"])})
_SCALING = st.sampled_from([{"minReplicas": 0}, {"minReplicas": 2}, {"minReplicas": 1, "maxReplicas": 3}])
_GPU = st.sampled_from([{}, {"count": 0}, {"count": 2}])
_MODELS = st.lists(
    st.sampled_from(["llama3", "qwen3:4b", "mistral", "registry:5000/library/phi4"]), min_size=1, unique=True
).map(lambda names: [{"name": name} for name in names])
_DERIVED = {"name": "support", "from": "llama3", "system": "Be brief.", "parameters": {"stop": ["END"]}}
_OWN_OPTIONS = {"name": "llama3:8b", "options": {"num_ctx": 2048}, "keepAlive": "-1", "pullPolicy": "Always"}
_MANAGED_MODELS = st.builds(
    lambda models, more: [*models, *more],
    _MODELS,
    st.sampled_from([[], [], [_DERIVED], [_OWN_OPTIONS], [_OWN_OPTIONS, _DERIVED]]),
)


def _serving(required: dict[str, Any], url: str, external: dict[str, Any] | None = None) -> st.SearchStrategy[Object]:
    return st.one_of(
        st.fixed_dictionaries({**(external or required), "url": st.just(url)}),
        st.fixed_dictionaries(
            required, optional={"gpu": _GPU, "cache": _SINGLE_NODE_PVCS, "image": st.just("other:1")}
        ),
        st.fixed_dictionaries({**required, "cache": _SHARED, "scaling": _SCALING}, optional={"gpu": _GPU}),
    )


_EXPOSED: st.SearchStrategy[Object] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"ingress": st.sampled_from([{"host": "a.example"}, {"host": "b.example", "className": "x"}])}
    ),
    st.just({"gateway": {"host": "a.example", "parentRef": {"name": "gate"}}}),
)
_BRIDGE = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 3),
        "scaling": st.just({"minReplicas": 2, "maxReplicas": 4}),
        "requestTimeout": st.sampled_from(["30s", "10m"]),
        "apiKeys": st.just({"secretName": "keys"}),
    },
)

SPECS: st.SearchStrategy[Object] = st.builds(
    lambda suspend, whisper, ollama, bridge, exposed: {
        **({"suspend": True} if suspend else {}),
        **({"whisper": whisper} if whisper else {}),
        "ollama": ollama,
        "bridge": bridge | exposed,
    },
    st.sampled_from([False, False, False, True]),
    st.one_of(st.none(), _serving({}, "http://asr:9000")),
    _serving({"models": _MANAGED_MODELS}, "http://box:11434", {"models": _MODELS}),
    _BRIDGE,
    _EXPOSED,
)

_KEEPING: st.SearchStrategy[Object] = st.sampled_from(
    [
        {"url": "http://box:1"},
        {"cache": {"ephemeral": True}},
        *({"cache": {"existingClaim": name}} for name in ("weights", "calls-whisper", "calls-ollama")),
        *({"cache": {"whenDeleted": then}} for then in ("Delete", "Retain")),
        {},
    ]
)
KEEPING: st.SearchStrategy[Object] = st.builds(
    lambda suspend, whisper, ollama: {
        "suspend": suspend,
        "whisper": whisper,
        "ollama": {"models": [{"name": "llama3"}], **ollama},
        "bridge": {},
    },
    st.booleans(),
    _KEEPING,
    _KEEPING,
)
"""All ways to keep models, of a pipeline `calls`."""

MESSAGES = st.one_of(
    st.sampled_from(
        [
            "",
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
            "pod has unbound immediate PersistentVolumeClaims",
            'persistentvolumeclaim "weights" not found',
            'secret "keys" not found',
        ]
    ),
    st.text(max_size=50),
    st.just("x" * 40_000),
)
_TIMES = st.sampled_from(["2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T12:00:30Z"])
_ENDED = st.fixed_dictionaries(
    {"exitCode": st.sampled_from([0, 1, 137, 143, 255])},
    optional={
        "reason": st.sampled_from(["Error", "OOMKilled", "Completed", "Unknown", "StartError"]),
        "message": MESSAGES,
    },
)
_REASONS = st.sampled_from(
    [
        "ContainerCreating",
        "PodInitializing",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "RunContainerError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "SomethingNew",
    ]
)
_STATES: st.SearchStrategy[Object] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"waiting": st.fixed_dictionaries({}, optional={"reason": _REASONS, "message": MESSAGES})}),
    st.fixed_dictionaries({"running": st.fixed_dictionaries({}, optional={"startedAt": _TIMES})}),
    st.fixed_dictionaries({"terminated": _ENDED}),
)
_CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("main"), "ready": st.booleans(), "restartCount": st.integers(0, 9), "state": _STATES},
        optional={
            "started": st.booleans(),
            "lastState": st.one_of(st.just({}), st.fixed_dictionaries({"terminated": _ENDED})),
        },
    ),
    max_size=2,
)
_CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["PodScheduled", "Ready", "ContainersReady", "speechpipeline.dev/models-ready"]),
            "status": st.sampled_from(["True", "False", "Unknown"]),
        },
        optional={
            "reason": st.one_of(st.none(), st.just("Unschedulable")),
            "message": st.one_of(st.none(), MESSAGES),
            "lastTransitionTime": _TIMES,
        },
    ),
    max_size=4,
)

POD_STATUSES: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown"]),
        "reason": st.sampled_from(["Evicted", "NodeLost", ""]),
        "message": MESSAGES,
        "podIP": st.sampled_from(["10.0.0.1", "fd00::1", ""]),
        "conditions": _CONDITIONS,
        "containerStatuses": _CONTAINERS,
        "initContainerStatuses": _CONTAINERS,
    },
)
"""Statuses of pods: those that a kubelet writes, and many that it would not."""
