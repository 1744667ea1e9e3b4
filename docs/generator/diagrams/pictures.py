"""The diagrams: architecture, the path of a request, reconciling, scaling."""

from __future__ import annotations

from generator.diagrams.drawing import Drawing


def architecture() -> str:
    """Return the components on Kubernetes, and who calls whom."""
    drawing = Drawing(860, 500, "Clients call the bridge, the bridge calls Whisper and Ollama, the operator runs them")
    drawing.group((170, 16), (674, 296), "pipeline: the objects of one SpeechPipeline")
    drawing.box((16, 110), (124, 76), "Clients", "curl, SDKs,", "browsers")
    drawing.box((200, 110), (150, 76), "Bridges", "queue, retries,", "events, API keys", kind="own")
    drawing.box((470, 48), (170, 76), "Whisper pods", "queue, batches across", "requests, on GPUs", kind="own")
    drawing.box((470, 172), (170, 76), "Ollama pods", "or vLLM, llama.cpp:", "a URL in the spec")
    drawing.box((700, 48), (124, 76), "Weights", "PVC, image,", "or node folder", kind="store")
    drawing.box((700, 172), (124, 76), "Models", "PVC", kind="store")
    drawing.arrow((140, 148), (200, 148), label="HTTP", at=(170, 138))
    drawing.arrow((350, 132), (410, 132), (410, 86), (470, 86), label="audio", at=(418, 76), anchor="end")
    drawing.arrow((350, 164), (410, 164), (410, 210), (470, 210), label="transcript", at=(400, 232))
    drawing.arrow((700, 86), (640, 86))
    drawing.arrow((700, 210), (640, 210))
    drawing.text(
        (184, 296), "Ingress or Gateway, Services, NetworkPolicies, PodDisruptionBudgets", style="soft", anchor="start"
    )
    drawing.box((470, 390), (170, 76), "Operator", "observe, plan,", "apply, report", kind="own")
    drawing.box((200, 390), (150, 76), "API server", "SpeechPipeline:", "spec and status", kind="plain")
    drawing.box((16, 390), (124, 76), "You", "kubectl, Helm,", "Argo CD, Flux")
    drawing.box((700, 390), (124, 76), "Prometheus", "metrics, alerts")
    drawing.arrow((140, 428), (200, 428))
    drawing.arrow((470, 414), (350, 414), label="watches, writes", at=(410, 404))
    drawing.arrow((350, 442), (470, 442), label="events", at=(410, 460))
    drawing.arrow((555, 390), (555, 312), label="pulls models; reads /load", at=(566, 356), anchor="start", dashed=True)
    drawing.arrow((275, 390), (275, 312), label="creates pods", at=(284, 356), anchor="start", dashed=True)
    drawing.arrow((762, 390), (762, 312), label="scrapes", at=(770, 356), anchor="start", dashed=True)
    return drawing.svg()


def request() -> str:
    """Return the path of a streamed request to /process in time."""
    drawing = Drawing(
        860, 560, "A request to /process: the upload is streamed to Whisper while the model reads the prompt"
    )
    client, bridge, whisper, model = 90, 320, 560, 780
    names = ((client, "Client"), (bridge, "Bridge"), (whisper, "Whisper pod"), (model, "Model"))
    for x, name in names:
        drawing.line((x, 62), (x, 536))
        drawing.box((x - 65, 20), (130, 42), name, kind="own" if x in {bridge, whisper} else "service")
    steps = (
        (client, bridge, 100, "POST /process: prompt, start of the file", False),
        (bridge, whisper, 136, "Expect: 100-continue", False),
        (bridge, model, 172, "prompt, to be prefilled", False),
        (whisper, bridge, 208, "100 Continue: a slot is free", False),
        (client, bridge, 244, "audio", False),
        (bridge, whisper, 262, "audio, as it arrives", False),
        (whisper, bridge, 300, "segments, block by block", True),
        (bridge, client, 318, "transcript.delta", True),
        (client, bridge, 356, "end of the file", False),
        (whisper, bridge, 392, "last segment, coverage", True),
        (bridge, client, 410, "transcript.done", True),
        (bridge, model, 446, "transcript, marked as data", False),
        (model, bridge, 482, "tokens", True),
        (bridge, client, 500, "response.delta, response.done", True),
    )
    for start, end, y, label, dashed in steps:
        left = min(start, end)
        right = max(start, end) if max(start, end) != model else whisper
        drawing.arrow((start, y), (end, y), label=label, at=((left + right) / 2, y - 6), dashed=dashed)
    return drawing.svg()


def reconcile() -> str:
    """Return the loop of the operator."""
    drawing = Drawing(860, 330, "The operator: watch, queue, observe, plan, apply, report, and the API server again")
    drawing.box((20, 40), (130, 76), "Watch", "kopf as informer,", "into a store")
    drawing.box((190, 40), (130, 76), "Work queue", "one worker per key,", "backoff")
    drawing.box((360, 40), (140, 76), "Observe", "caches and pods:", "one Snapshot", kind="own")
    drawing.box((540, 40), (140, 76), "Plan", "pure: objects, pulls,", "replicas, conditions", kind="own")
    drawing.box((540, 180), (140, 76), "Apply", "server-side apply,", "deletes, pulls", kind="own")
    drawing.box((360, 180), (140, 76), "Report", "status and Events,", "only on change", kind="own")
    drawing.box((20, 180), (300, 76), "API server", "pipelines, Deployments, pods, PVCs, ...", kind="plain")
    drawing.box((720, 40), (124, 76), "Pods", "/load, /api/tags,", "pull progress", kind="service")
    drawing.arrow((150, 78), (190, 78))
    drawing.arrow((320, 78), (360, 78))
    drawing.arrow((500, 78), (540, 78))
    drawing.arrow((610, 116), (610, 180))
    drawing.arrow((540, 218), (500, 218))
    drawing.arrow((360, 218), (320, 218))
    drawing.arrow((85, 180), (85, 116))
    drawing.arrow((782, 40), (782, 22), (430, 22), (430, 40), dashed=True)
    drawing.arrow((680, 218), (782, 218), (782, 116), dashed=True)
    drawing.arrow(
        (610, 256), (610, 296), (170, 296), (170, 256), label="writes, each with its reason in the log", at=(390, 288)
    )
    return drawing.svg()


def scaling() -> str:
    """Return the loop of the scaler."""
    drawing = Drawing(860, 300, "Scaling: the load of the pods becomes a need, the need becomes replicas within limits")
    drawing.box((20, 40), (150, 84), "Bridges, Whisper", "audio waiting and", "in work, speed", kind="own")
    drawing.box((230, 40), (150, 84), "Load", "one history", "per component", kind="plain")
    drawing.box((440, 40), (150, 84), "Need", "average, and a margin", "or the backlog", kind="plain")
    drawing.box((650, 40), (190, 84), "Limits", "tolerance, min and max,", "windows, GPU budget", kind="plain")
    drawing.box((650, 190), (190, 84), "Deployment", "spec.replicas, by its", "own field manager")
    drawing.box((440, 190), (150, 84), "Status", "reason, bottleneck,", "scalingHistory")
    drawing.box((20, 190), (150, 84), "Pods", "start, load weights,", "drain, end")
    drawing.arrow((170, 82), (230, 82), label="/load", at=(200, 72))
    drawing.arrow((380, 82), (440, 82))
    drawing.arrow((590, 82), (650, 82))
    drawing.arrow((745, 124), (745, 190), label="replicas", at=(754, 162), anchor="start")
    drawing.arrow((650, 232), (590, 232))
    drawing.arrow((745, 274), (745, 290), (95, 290), (95, 274), dashed=True)
    drawing.arrow((95, 190), (95, 124), label="serve", at=(104, 162), anchor="start")
    drawing.arrow(
        (515, 190), (515, 160), (305, 160), (305, 124), label="a new leader continues", at=(410, 152), dashed=True
    )
    return drawing.svg()
