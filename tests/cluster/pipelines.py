"""Valid and invalid SpeechPipelines; test_pipeline.py checks them with pydantic, test_cel.py with a real API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

MINIMAL: Mapping[str, Any] = {"ollama": {"models": [{"name": "llama3"}]}}
LONG = "a" * 300


def pipeline(*changes: Mapping[str, Any], name: str = "calls") -> Object:
    """A pipeline of one model, with changes of its spec merged into it; None removes a field."""
    spec: Object = {}
    for change in (MINIMAL, *changes):
        spec = _merged(spec, change)
    return {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": name},
        "spec": spec,
    }


def _merged(whole: Mapping[str, Any], change: Mapping[str, Any]) -> Object:
    merged = dict(whole)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = _merged(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


@dataclass(frozen=True)
class Wrong:
    """An invalid pipeline.

    Attributes:
        title: What is invalid.
        spec: How its spec differs from the minimal one.
        fault: Path and message, as the operator reports them.
        server: What the API server's message contains, if not `fault`: its built-in checks have messages of their own.
    """

    title: str
    spec: Mapping[str, Any]
    fault: str
    server: str = ""
    name: str = "calls"


OFFICE = {"name": "office", "component": "whisper", "minReplicas": 1, "start": "08:00", "end": "18:00"}
BUDGET = "scaling.gpuBudget must be enough for minReplicas of Whisper and Ollama, and for one replica of each"


def of_whisper(**fields: Any) -> Object:
    return {"whisper": fields}


def of_ollama(**fields: Any) -> Object:
    return {"ollama": fields}


def of_bridge(**fields: Any) -> Object:
    return {"bridge": fields}


EXTERNAL = "url refers to an external service: remove"
ONE_NODE = "several replicas cannot share a PVC that only one node can mount"
SIZE = "must be a size greater than zero, such as 10Gi or 500M"
WAIT = "must be a duration from 1s to 24h, such as 300s, 5m or 1h30m"
AMOUNT = "must be a quantity such as 500m, 4 or 16Gi"
URL = "must be a URL such as http://whisper.example.com:9000"
RESERVED = (
    "names below speechpipeline.dev/ and the labels app.kubernetes.io/name, instance, component and managed-by belong "
    "to the operator: remove them"
)
PEER = "set either ipBlock, or podSelector and namespaceSelector or one of them"
VENDOR = "the default images support only GPUs of nvidia.com: set image to one that supports this GPU"
LARGEST = 2**31

WRONG = (
    # External services.
    Wrong(
        "url beside gpu",
        of_whisper(url="http://asr:9000", gpu={}),
        f"spec.whisper: {EXTERNAL} gpu",
    ),
    Wrong(
        "url beside all fields about pods",
        of_ollama(
            url="http://ollama:11434",
            gpu={"count": 0},
            cache={},
            scaling={},
            image="x",
            resources={},
            env=[],
            nodeSelector={},
            tolerations=[],
            affinity={},
            runtimeClassName="x",
            priorityClassName="x",
            podAnnotations={},
            imagePullSecrets=[],
            podTemplate={},
            serviceAccountAnnotations={},
            drainTimeout="1m",
        ),
        f"spec.ollama: {EXTERNAL} gpu, cache, scaling, image, resources, env, nodeSelector, tolerations, affinity, "
        "runtimeClassName, priorityClassName, podAnnotations, imagePullSecrets, podTemplate, "
        "serviceAccountAnnotations, drainTimeout",
    ),
    Wrong(
        "auth of the operator's own pods",
        of_whisper(auth={"secretName": "asr"}),
        "spec.whisper: auth and ca are about an external service: set url, or remove them",
    ),
    Wrong(
        "certificate authorities of the operator's own pods",
        of_ollama(ca={"configMapName": "company-ca"}),
        "spec.ollama: auth and ca are about an external service: set url, or remove them",
    ),
    Wrong(
        "another protocol of the operator's own pods",
        of_ollama(protocol="openai"),
        "spec.ollama: the operator runs Ollama only: set url to the service that speaks protocol openai",
    ),
    Wrong(
        "Ollama's options with another protocol",
        of_ollama(url="http://vllm:8000", protocol="openai", keepAlive="30m"),
        "spec.ollama: contextLength and keepAlive are options of Ollama's API: remove them with protocol openai",
    ),
    Wrong(
        "a key that no Secret can have",
        of_ollama(url="http://vllm:8000", auth={"secretName": "llm", "key": "a/b"}),
        "spec.ollama.auth.key: must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'",
    ),
    Wrong("url of another scheme", of_whisper(url="ftp://asr"), f"spec.whisper.url: {URL}"),
    Wrong("url without a host", of_whisper(url="http://"), f"spec.whisper.url: {URL}"),
    Wrong("url with an invalid port", of_whisper(url="http://asr:65536"), f"spec.whisper.url: {URL}"),
    Wrong("url with a password", of_whisper(url="http://me:secret@asr"), f"spec.whisper.url: {URL}"),
    Wrong("empty url", of_ollama(url=""), f"spec.ollama.url: {URL}"),
    # Replicas.
    Wrong(
        "several replicas on a single-node PVC",
        of_whisper(scaling={"maxReplicas": 2}, cache={"size": "5Gi"}),
        f"spec.whisper: {ONE_NODE}",
    ),
    Wrong(
        "several replicas on a single-node PVC, by minReplicas",
        of_ollama(scaling={"minReplicas": 2}, cache={}),
        f"spec.ollama: {ONE_NODE}",
    ),
    Wrong(
        "several replicas on a single-pod PVC",
        of_ollama(scaling={"maxReplicas": 2}, cache={"accessMode": "ReadWriteOncePod"}),
        f"spec.ollama: {ONE_NODE}",
    ),
    Wrong(
        "minReplicas above maxReplicas",
        of_whisper(cache={"ephemeral": True}, scaling={"minReplicas": 3, "maxReplicas": 2}),
        "spec.whisper.scaling: minReplicas must not exceed maxReplicas",
    ),
    Wrong(
        "default minReplicas above maxReplicas",
        of_bridge(scaling={"maxReplicas": 1}),
        "spec.bridge.scaling: minReplicas must not exceed maxReplicas",
    ),
    Wrong(
        "bridge scaling without maxReplicas",
        of_bridge(scaling={}),
        "spec.bridge.scaling.maxReplicas: is required",
        "spec.bridge.scaling.maxReplicas: Required value",
    ),
    Wrong(
        "negative replicas",
        of_bridge(replicas=-1),
        "spec.bridge.replicas: input should be greater than or equal to 0",
        "spec.bridge.replicas in body should be greater than or equal to 0",
    ),
    Wrong(
        "replicas beyond int32",
        of_bridge(replicas=LARGEST),
        "spec.bridge.replicas: input should be less than or equal to 2147483647",
        "spec.bridge.replicas in body should be less than or equal to 2147483647",
    ),
    Wrong(
        "replicas as a string",
        of_bridge(replicas="2"),
        "spec.bridge.replicas: input should be a valid integer",
        "spec.bridge.replicas in body must be of type integer",
    ),
    Wrong(
        "maxReplicas of zero",
        of_ollama(scaling={"minReplicas": 0, "maxReplicas": 0}),
        "spec.ollama.scaling.maxReplicas: input should be greater than or equal to 1",
        "spec.ollama.scaling.maxReplicas in body should be greater than or equal to 1",
    ),
    # Models.
    Wrong("no models", of_ollama(models=[]), "spec.ollama.models: list at least one model; the first is the default"),
    Wrong(
        "a derived model with a source",
        of_ollama(models=[{"name": "a", "from": "b", "source": "c"}]),
        "spec.ollama.models[0]: from is the name to pull the base by: remove source",
    ),
    Wrong(
        "a definition without a base",
        of_ollama(models=[{"name": "a", "system": "Be brief."}]),
        "spec.ollama.models[0]: system, template and parameters define a derived model: set from to its base",
    ),
    Wrong(
        "a model derived from itself",
        of_ollama(models=[{"name": "a", "from": "a"}]),
        "spec.ollama.models[0]: a derived model needs a name of its own: name and from must differ",
    ),
    Wrong(
        "an interval without pullPolicy Always",
        of_ollama(models=[{"name": "a", "refreshInterval": "1h"}]),
        "spec.ollama.models[0]: refreshInterval needs pullPolicy: Always",
    ),
    Wrong(
        "a derived model in an external service",
        of_ollama(url="http://box", models=[{"name": "a", "from": "b"}]),
        "spec.ollama: the operator neither pulls into nor creates models in an external service: remove from and "
        "pullPolicy Always",
    ),
    Wrong(
        "options of a model for OpenAI's API",
        of_ollama(url="http://box", protocol="openai", models=[{"name": "a", "options": {"top_p": 1}}]),
        "spec.ollama: keepAlive and options of a model are options of Ollama's API: remove them with protocol openai",
    ),
    Wrong(
        "models unset",
        of_ollama(models=None),
        "spec.ollama.models: is required",
        "spec.ollama.models: Required value",
    ),
    Wrong("ollama unset", {"ollama": None}, "spec.ollama: is required", "spec.ollama: Required value"),
    Wrong(
        "duplicate model",
        of_ollama(models=[{"name": "llama3"}, {"name": "llama3"}]),
        "spec.ollama.models: duplicate value: llama3",
        'spec.ollama.models[1]: Duplicate value: {"name":"llama3"}',
    ),
    Wrong(
        "duplicate model, by the tag latest",
        of_ollama(models=[{"name": "llama3:latest"}, {"name": "llama3"}]),
        "spec.ollama.models: a name without a tag means the tag latest: list the model only once",
    ),
    Wrong(
        "too many models",
        of_ollama(models=[{"name": f"m{number}"} for number in range(33)]),
        "spec.ollama.models: must have at most 32 items",
        "spec.ollama.models: Too many: 33: must have at most 32 items",
    ),
    Wrong(
        "model name with a comma",
        of_ollama(models=[{"name": "a,b"}]),
        "spec.ollama.models[0].name: must be an Ollama model name, such as qwen3:4b or "
        "registry.example.com:5000/library/llama3",
    ),
    Wrong(
        "model source that is a URL",
        of_ollama(models=[{"name": "a", "source": "http://registry/a"}]),
        "spec.ollama.models[0].source: must be an Ollama model name",
    ),
    Wrong(
        "model name that is too long",
        of_ollama(models=[{"name": LONG}]),
        "spec.ollama.models[0].name: may not be more than 253 characters long",
        "spec.ollama.models[0].name: Too long: may not be more than 253 bytes",
    ),
    Wrong(
        "insecure as a string",
        of_ollama(models=[{"name": "a", "insecure": "yes"}]),
        "spec.ollama.models[0].insecure: input should be a valid boolean",
        "spec.ollama.models[0].insecure in body must be of type boolean",
    ),
    Wrong(
        "contextLength too small",
        of_ollama(contextLength=100),
        "spec.ollama.contextLength: input should be greater than or equal to 256",
        "spec.ollama.contextLength in body should be greater than or equal to 256",
    ),
    Wrong(
        "Whisper model with a space",
        of_whisper(model="large v3"),
        "spec.whisper.model: must be a size such as small, the name of a Hugging Face model, or a directory in the "
        "image such as /models/tiny.en",
    ),
    Wrong(
        "unknown engine",
        of_whisper(engine="whisperx"),
        "spec.whisper.engine: input should be 'faster-whisper' or 'asr-webservice'",
        'spec.whisper.engine: Unsupported value: "whisperx": supported values: "faster-whisper", "asr-webservice"',
    ),
    # Quantities.
    Wrong("size that is no quantity", of_whisper(cache={"size": "10XB"}), f"spec.whisper.cache.size: {SIZE}"),
    Wrong("size of zero", of_whisper(cache={"size": "0"}), f"spec.whisper.cache.size: {SIZE}"),
    Wrong("negative size", of_whisper(cache={"size": "-1Gi"}), f"spec.whisper.cache.size: {SIZE}"),
    Wrong(
        "size as a number",
        of_whisper(cache={"size": 10}),
        "spec.whisper.cache.size: input should be a valid string",
        "spec.whisper.cache.size in body must be of type string",
    ),
    Wrong(
        "memory that is no quantity",
        of_bridge(resources={"limits": {"memory": "1 GB"}}),
        f"spec.bridge.resources.limits[memory]: {AMOUNT}",
    ),
    Wrong(
        "negative CPU",
        of_bridge(resources={"requests": {"cpu": -1}}),
        f"spec.bridge.resources.requests[cpu]: {AMOUNT}",
    ),
    Wrong(
        "CPU as a float",
        of_bridge(resources={"limits": {"cpu": 0.5}}),
        "spec.bridge.resources.limits[cpu]: input should be a valid string",
        "spec.bridge.resources.limits.cpu in body must be of type integer,string",
    ),
    Wrong(
        "requests above limits",
        of_bridge(resources={"requests": {"cpu": "1001m"}, "limits": {"cpu": 1}}),
        "spec.bridge.resources: requests must not exceed limits",
    ),
    Wrong(
        "GPUs in limits",
        of_whisper(resources={"limits": {"nvidia.com/gpu": 1}}),
        "spec.whisper: request GPUs with the field gpu, which also configures the server for them: remove them from "
        "resources",
    ),
    Wrong(
        "GPUs of another vendor in requests",
        of_ollama(image="x", gpu={"resourceName": "amd.com/gpu"}, resources={"requests": {"amd.com/gpu": "1"}}),
        "spec.ollama: request GPUs with the field gpu",
    ),
    Wrong(
        "CPU scaling without a CPU request",
        of_bridge(scaling={"maxReplicas": 4}, resources={"limits": {"memory": "1Gi"}}),
        "spec.bridge: scaling on CPU utilization needs a CPU request: set resources.requests.cpu",
    ),
    Wrong(
        "invalid GPU resource name",
        of_whisper(gpu={"resourceName": "nvidia gpu"}),
        "spec.whisper.gpu.resourceName: must be a resource name, such as nvidia.com/gpu",
    ),
    Wrong(
        "GPU of another vendor with the default image",
        of_whisper(gpu={"resourceName": "amd.com/gpu"}),
        f"spec.whisper: {VENDOR}",
    ),
    Wrong(
        "GPU of another vendor with a similar name",
        of_ollama(gpu={"resourceName": "nvidia.com.example/gpu"}),
        f"spec.ollama: {VENDOR}",
    ),
    # Durations.
    Wrong("duration without a unit", of_bridge(requestTimeout="300"), f"spec.bridge.requestTimeout: {WAIT}"),
    Wrong("drain without an end", of_ollama(drainTimeout="25h"), f"spec.ollama.drainTimeout: {WAIT}"),
    Wrong("duration of zero", of_bridge(requestTimeout="0s"), f"spec.bridge.requestTimeout: {WAIT}"),
    Wrong("duration that is too long", of_bridge(requestTimeout="24h1s"), f"spec.bridge.requestTimeout: {WAIT}"),
    Wrong(
        "duration in days", of_whisper(scaling={"targetBacklog": "1d"}), f"spec.whisper.scaling.targetBacklog: {WAIT}"
    ),
    Wrong(
        "keepAlive without a unit",
        of_ollama(keepAlive="30"),
        "spec.ollama.keepAlive: must be a duration such as 30m, or -1 to keep the model loaded indefinitely",
    ),
    # Scaling.
    Wrong(
        "minReplicas above maxReplicas",
        of_whisper(cache={"ephemeral": True}, scaling={"minReplicas": 3, "maxReplicas": 2}),
        "spec.whisper.scaling: minReplicas must not exceed maxReplicas",
    ),
    Wrong(
        "GPU budget below the minimum of replicas",
        {
            **of_whisper(gpu={}, cache={"ephemeral": True}, scaling={"minReplicas": 2}),
            **of_ollama(gpu={"count": 2}),
            "scaling": {"gpuBudget": 3},
        },
        f"spec: {BUDGET}",
    ),
    Wrong(
        "GPU budget below one replica of each component",
        {
            **of_whisper(gpu={}, scaling={"minReplicas": 0}),
            **of_ollama(gpu={}, scaling={"minReplicas": 0}),
            "scaling": {"gpuBudget": 1},
        },
        f"spec: {BUDGET}",
    ),
    Wrong(
        "schedule that starts at a time that does not exist",
        {"scaling": {"schedules": [{**OFFICE, "start": "24:00"}]}},
        "spec.scaling.schedules[0].start: must be a time of day from 00:00 to 23:59",
    ),
    Wrong(
        "schedule with a time zone in an unknown form",
        {"scaling": {"schedules": [{**OFFICE, "timeZone": "UTC+1:00"}]}},
        "spec.scaling.schedules[0].timeZone: must be the name of a time zone, such as Europe/Berlin or UTC",
    ),
    Wrong(
        "two schedules of one name",
        {"scaling": {"schedules": [OFFICE, OFFICE]}},
        "spec.scaling.schedules: duplicate value: office",
        "Duplicate value",
    ),
    # Caches.
    Wrong(
        "existing PVC with a size",
        of_ollama(cache={"existingClaim": "mine", "size": "50Gi"}),
        "spec.ollama.cache: existingClaim is used as it is: remove size, storageClassName, accessMode, whenDeleted and "
        "ephemeral",
    ),
    Wrong(
        "existing PVC that is ephemeral",
        of_ollama(cache={"existingClaim": "mine", "ephemeral": True}),
        "spec.ollama.cache: existingClaim is used as it is",
    ),
    Wrong(
        "ephemeral cache with a StorageClass",
        of_ollama(cache={"ephemeral": True, "storageClassName": "fast"}),
        "spec.ollama.cache: an ephemeral cache has no PVC: remove storageClassName, accessMode and whenDeleted",
    ),
    Wrong(
        "cache of two kinds",
        of_whisper(cache={"nodePath": "/var/lib/models", "image": "weights:1"}),
        "spec.whisper.cache: a cache is of one kind: set only one of existingClaim, ephemeral, nodePath and image",
    ),
    Wrong(
        "folder of the node that is ephemeral",
        of_ollama(cache={"nodePath": "/var/lib/models", "ephemeral": True}),
        "spec.ollama.cache: a cache is of one kind",
    ),
    Wrong(
        "removal of models from a folder of the node",
        of_ollama(cache={"nodePath": "/var/lib/models", "unusedModels": "Remove"}),
        "spec.ollama.cache: no unused model is removed from a nodePath",
    ),
    *(
        Wrong(
            f"removal of weights from a volume of others: {kind}",
            of_whisper(cache={kind: value, "unusedModels": "Remove"}),
            "spec.whisper.cache: weights are removed only from a volume that the pipeline has for itself",
        )
        for kind, value in {"existingClaim": "weights", "nodePath": "/var/lib/models", "image": "weights:1"}.items()
    ),
    *(
        Wrong(
            f"removal of weights by another {field}",
            of_whisper(cache={"unusedModels": "Remove"}, **{field: value}),
            "spec.whisper: only the default image of faster-whisper removes weights: set cache.unusedModels to Keep",
        )
        for field, value in {"image": "whisper:1", "engine": "asr-webservice"}.items()
    ),
    Wrong(
        "image with a size",
        of_whisper(cache={"image": "weights:1", "size": "5Gi"}),
        "spec.whisper.cache: nodePath and image have no PVC: remove size, storageClassName, accessMode and whenDeleted",
    ),
    *(
        Wrong(
            f"folder of the node: {path}",
            of_whisper(cache={"nodePath": path}),
            "spec.whisper.cache.nodePath: must be an absolute path such as /var/lib/speechpipeline",
        )
        for path in ("models", "/", "/var/../etc", "/var/lib/")
    ),
    Wrong(
        "unsupported access mode",
        of_ollama(cache={"accessMode": "ReadOnlyMany"}),
        "spec.ollama.cache.accessMode: input should be 'ReadWriteOnce', 'ReadWriteOncePod' or 'ReadWriteMany'",
        'spec.ollama.cache.accessMode: Unsupported value: "ReadOnlyMany"',
    ),
    # Exposure of the bridge.
    Wrong(
        "both ingress and gateway",
        of_bridge(ingress={"host": "a.example"}, gateway={"host": "a.example", "parentRef": {"name": "public"}}),
        "spec.bridge: set either ingress or gateway, not both",
    ),
    Wrong(
        "host in uppercase",
        of_bridge(ingress={"host": "Speech.example"}),
        "spec.bridge.ingress.host: must be a lowercase host name, such as speech.example.com",
    ),
    Wrong(
        "ingress without a host",
        of_bridge(ingress={}),
        "spec.bridge.ingress.host: is required",
        "spec.bridge.ingress.host: Required value",
    ),
    Wrong(
        "invalid port",
        of_bridge(ingress={"host": "a.example", "port": 65536}),
        "spec.bridge.ingress.port: input should be less than or equal to 65535",
        "spec.bridge.ingress.port in body should be less than or equal to 65535",
    ),
    Wrong(
        "invalid Secret name",
        of_bridge(apiKeys={"secretName": "My_Keys"}),
        "spec.bridge.apiKeys.secretName: must be an object name",
    ),
    # Pods.
    Wrong(
        "variable with both value and valueFrom",
        of_bridge(env=[{"name": "A", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        "spec.bridge.env[0]: set either value or valueFrom, not both",
    ),
    Wrong(
        "invalid variable name",
        of_bridge(env=[{"name": "A=B"}]),
        "spec.bridge.env[0].name: must be an environment variable name, such as LOG_LEVEL",
    ),
    Wrong(
        "duplicate variable",
        of_bridge(env=[{"name": "A"}, {"name": "A", "value": "1"}]),
        "spec.bridge.env: duplicate value: A",
        'spec.bridge.env[1]: Duplicate value: {"name":"A"}',
    ),
    Wrong(
        "number as the value of a variable",
        of_bridge(env=[{"name": "A", "value": 1}]),
        "spec.bridge.env[0].value: input should be a valid string",
        "spec.bridge.env[0].value in body must be of type string",
    ),
    Wrong(
        "unknown taint effect",
        of_bridge(tolerations=[{"effect": "NoRun"}]),
        "spec.bridge.tolerations[0].effect: input should be 'NoSchedule', 'PreferNoSchedule' or 'NoExecute'",
        'spec.bridge.tolerations[0].effect: Unsupported value: "NoRun"',
    ),
    Wrong(
        "invalid image name",
        of_whisper(image="speech pipeline"),
        "spec.whisper.image: must be an image name, such as speechpipeline/bridge:0.1.0",
    ),
    # NetworkPolicies.
    Wrong(
        "clients that are nothing",
        {"networkPolicy": {"bridgeFrom": [{}]}},
        f"spec.networkPolicy.bridgeFrom[0]: {PEER}",
    ),
    Wrong(
        "clients by address and label",
        {"networkPolicy": {"metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}},
        f"spec.networkPolicy.metricsFrom[0]: {PEER}",
    ),
    # Pod templates and metadata.
    Wrong(
        "label of the operator on all objects",
        {"inheritedMetadata": {"labels": {"app.kubernetes.io/instance": "mine"}}},
        f"spec.inheritedMetadata: {RESERVED}",
    ),
    Wrong(
        "annotation of the operator on pods",
        of_bridge(podTemplate={"metadata": {"annotations": {"speechpipeline.dev/settings-hash": "mine"}}}),
        f"spec.bridge.podTemplate.metadata: {RESERVED}",
    ),
    Wrong(
        "field of a pod template that no pod template has",
        of_bridge(podTemplate={"template": {}}),
        "spec.bridge.podTemplate.template: unknown field",
        'unknown field "spec.bridge.podTemplate.template"',
    ),
    Wrong(
        "pod spec that is a list",
        of_bridge(podTemplate={"spec": []}),
        "spec.bridge.podTemplate.spec: input should be a valid dictionary",
        "spec.bridge.podTemplate.spec in body must be of type object",
    ),
    # Names.
    Wrong(
        "pipeline name that starts with a digit", {}, "metadata.name: must start with a lowercase letter", name="1st"
    ),
    Wrong("pipeline name with a dot", {}, "metadata.name: must start with a lowercase letter", name="support.calls"),
    Wrong("pipeline name that is too long", {}, "metadata.name: must start with a lowercase letter", name="a" * 41),
    # Unknown fields.
    Wrong("unknown field", {"replicas": 2}, "spec.replicas: unknown field", 'unknown field "spec.replicas"'),
    Wrong(
        "unknown field in a list",
        of_ollama(models=[{"name": "a", "tag": "b"}]),
        "spec.ollama.models[0].tag: unknown field",
        'unknown field "spec.ollama.models[0].tag"',
    ),
    Wrong(
        "url of the bridge",
        of_bridge(url="http://bridge"),
        "spec.bridge.url: unknown field",
        'unknown field "spec.bridge.url"',
    ),
)

RIGHT: Mapping[str, Mapping[str, Any]] = {
    "minimal": {},
    "all fields": {
        "suspend": True,
        "networkPolicy": {
            "enabled": True,
            "bridgeFrom": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}],
            "metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
        },
        "inheritedMetadata": {"labels": {"cost-center": "42"}, "annotations": {"a.example/b": "any text"}},
        "whisper": {
            "engine": "asr-webservice",
            "model": "Systran/faster-whisper-large-v3",
            "gpu": {"count": 2, "resourceName": "amd.com/gpu"},
            "cache": {
                "size": "1.5Gi",
                "storageClassName": "",
                "accessMode": "ReadWriteMany",
                "whenDeleted": "Retain",
                "ephemeral": False,
            },
            "scaling": {
                "minReplicas": 0,
                "maxReplicas": 4,
                "targetBacklog": "1m30s",
                "assumedSpeed": 12.5,
                "idlePeriod": "10m",
                "behavior": {
                    "scaleUp": {"tolerance": "0.2"},
                    "scaleDown": {
                        "stabilizationWindowSeconds": 600,
                        "selectPolicy": "Min",
                        "policies": [
                            {"type": "Pods", "value": 1, "periodSeconds": 60},
                            {"type": "Percent", "value": 50, "periodSeconds": 300},
                        ],
                    },
                },
            },
            "image": "registry.example:5000/whisper@sha256:" + "0" * 64,
            "resources": {"requests": {"cpu": 2, "memory": "1024Mi"}, "limits": {"memory": "4Gi"}},
            "env": [
                {"name": "WHISPER_DEVICE", "value": "cpu"},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            ],
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"operator": "Exists"}, {"key": "gpu", "effect": "NoExecute", "tolerationSeconds": 60}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "runtimeClassName": "nvidia",
            "priorityClassName": "high",
            "podAnnotations": {"example.com/note": "any text:\n at all"},
            "imagePullSecrets": [{"name": "registry"}],
            "podTemplate": {
                "metadata": {"labels": {"team": "speech"}},
                "spec": {"securityContext": {"runAsUser": None, "$patch": "replace"}, "containers": [{"name": "a"}]},
            },
            "drainTimeout": "30m",
            "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/models"},
        },
        "ollama": {
            "models": [
                {"name": "smollm2:135m", "source": "models.ns.svc:5000/library/smollm2:135m", "insecure": True},
                {"name": "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"},
                {
                    "name": "support",
                    "from": "smollm2:135m",
                    "system": "Be brief.",
                    "template": "{{ .Prompt }}",
                    "parameters": {"temperature": 0, "stop": ["END", "\n"]},
                    "options": {"num_ctx": 2048, "top_p": 0.9},
                    "keepAlive": "1h",
                    "pullPolicy": "Always",
                    "refreshInterval": "6h",
                },
            ],
            "contextLength": 8192,
            "keepAlive": "-1",
            "cache": {"ephemeral": True, "size": "20G"},
            "parallel": 8,
            "scaling": {"minReplicas": 2, "targetInFlight": 6},
        },
        "bridge": {
            "replicas": 0,
            "scaling": {"maxReplicas": 8, "targetCPUUtilization": 150},
            "maxConcurrentRequests": 10,
            "requestTimeout": "24h",
            "service": {"type": "LoadBalancer", "annotations": {"a.example/b": "c"}},
            "ingress": {
                "host": "speech.example.com",
                "className": "traefik",
                "tlsSecretName": "speech-tls",
                "annotations": {"a.example/b": "c"},
                "port": 8443,
            },
            "apiKeys": {"secretName": "keys"},
        },
    },
    "slices of GPUs": {
        "whisper": {"gpu": {"resourceName": "nvidia.com/mig-1g.10gb"}},
        "ollama": {"gpu": {"resourceName": "nvidia.com/gpu.shared"}},
    },
    "GPU of another vendor that is not used": {"whisper": {"gpu": {"count": 0, "resourceName": "amd.com/gpu"}}},
    "external services": {
        "whisper": {"url": "https://asr.example.com:8443/v1/", "engine": "asr-webservice", "model": "whisper-1"},
        "ollama": {"url": "http://[::1]:11434", "contextLength": 256},
    },
    "external services with credentials": {
        "whisper": {
            "url": "https://asr.example.com",
            "auth": {"secretName": "asr"},
            "ca": {"configMapName": "company-ca"},
        },
        "ollama": {
            "url": "https://vllm.example.com",
            "protocol": "openai",
            "models": [{"name": "Qwen/Qwen3-8B"}],
            "auth": {"secretName": "llm", "key": "token"},
            "ca": {"configMapName": "company-ca", "key": "root.pem"},
        },
    },
    "existing PVCs": {
        "whisper": {"cache": {"existingClaim": "weights"}, "scaling": {"maxReplicas": 2}},
        "ollama": {
            "cache": {"existingClaim": "models", "ephemeral": False, "unusedModels": "Remove"},
            "scaling": {"maxReplicas": 2},
        },
    },
    "folders of the nodes": {
        "whisper": {"cache": {"nodePath": "/var/lib/weights"}, "scaling": {"maxReplicas": 2}},
        "ollama": {"cache": {"nodePath": "/mnt/nvme0/ollama-1.0"}, "scaling": {"maxReplicas": 2}},
    },
    "models in images": {
        "whisper": {"cache": {"image": "registry.example:5000/weights:1"}, "scaling": {"maxReplicas": 2}},
        "ollama": {"cache": {"image": "models@sha256:" + "0" * 64}, "scaling": {"maxReplicas": 2}},
    },
    "several replicas with the default cache": {
        "whisper": {"scaling": {"maxReplicas": 2}},
        "ollama": {"scaling": {"minReplicas": 2}},
    },
    "bridge scaling with a CPU limit": {
        "bridge": {"scaling": {"maxReplicas": 4}, "resources": {"limits": {"cpu": "1"}}}
    },
    "gateway": {
        "bridge": {
            "gateway": {
                "parentRef": {"name": "public", "namespace": "infra", "sectionName": "https"},
                "host": "a.example",
            }
        }
    },
    "empty objects": {
        "whisper": {"gpu": {}, "cache": {}, "scaling": {}, "resources": {"limits": {}}, "env": []},
        "ollama": {"gpu": {"count": 0}, "cache": {}},
        "bridge": {},
    },
    "schedules and a budget": {
        "whisper": {"gpu": {}},
        "scaling": {
            "mode": "Advisory",
            "gpuBudget": 1,
            "schedules": [{**OFFICE, "days": ["Mon", "Fri"], "timeZone": "America/Argentina/Buenos_Aires"}],
        },
    },
    "scaling between zero and one replica": {"whisper": {"scaling": {"minReplicas": 0, "maxReplicas": 1}}},
}
