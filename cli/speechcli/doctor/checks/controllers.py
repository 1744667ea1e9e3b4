"""Known ingress controllers, and what each of them cuts unless it is told otherwise.

The settings are those of docs/how-to/expose-a-pipeline.md, which cites the products' documentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speechcli.doctor.facts import COMPONENT_LABEL, annotations_of, is_running, labels, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "ingress"
HOW_TO = "docs/how-to/expose-a-pipeline.md"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
INGRESS_NGINX, TRAEFIK, ALB = "k8s.io/ingress-nginx", "traefik.io/ingress-controller", "ingress.k8s.aws/alb"
F5_NGINX, CONTOUR = "nginx.org/ingress-controller", "projectcontour.io/contour"
GKE = frozenset({"gce", "gce-internal"})
POD_LABELS = {
    INGRESS_NGINX: ("app.kubernetes.io/name", "ingress-nginx"),
    TRAEFIK: ("app.kubernetes.io/name", "traefik"),
    F5_NGINX: ("app.kubernetes.io/name", "nginx-ingress"),
    CONTOUR: ("app.kubernetes.io/component", "envoy"),
}
"""The label of a controller's pods, as its chart sets it."""
COMPONENTS = {INGRESS_NGINX: "controller"}
"""The component that serves requests, where a chart has others: jobs for its webhook, a default backend."""
SMALLEST_BODY_MIB = 512
SHORTEST_TIMEOUT_S = 300
CUT_OFF = "uploads that take longer are cut off"
READ_TIMEOUT = "start Traefik with --entryPoints.NAME.transport.respondingTimeouts.readTimeout=0 for its entry points"
SECONDS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600}
UNITS = {"": 1 / 2**20, "k": 1 / 1024, "m": 1, "g": 1024}


def class_name(ingress: Json) -> str:
    """Return the class that an Ingress names, empty if it names none."""
    named = (ingress.get("spec") or {}).get("ingressClassName") or annotations_of(ingress).get(CLASS_ANNOTATION, "")
    return str(named)


def controller(facts: Facts, ingress: Json) -> str:
    """Return the controller of an Ingress, such as `traefik.io/ingress-controller`; empty if it is unknown."""
    wanted = class_name(ingress)
    if wanted in GKE:  # has no IngressClass
        return wanted
    for one in facts.ingress_classes.items:
        if name(one) == wanted or (not wanted and annotations_of(one).get(DEFAULT_CLASS) == "true"):
            return str((one.get("spec") or {}).get("controller", ""))
    return ""


def controller_pods(facts: Facts, ingress: Json) -> list[Json]:
    """Return the running pods of an Ingress's controller, as far as they are known and can be read."""
    found = controller(facts, ingress)
    label = POD_LABELS.get(found)
    if label is None:
        return []
    return [
        pod
        for pod in facts.all_pods.items
        if is_running(pod)
        and (label in labels(pod).items() or _is_labelled(pod, label[1]))
        and (found not in COMPONENTS or labels(pod).get(COMPONENT_LABEL, COMPONENTS[found]) == COMPONENTS[found])
    ]


def timeouts(facts: Facts, ingress: Json) -> Iterator[Verdict]:
    """Judge the limits of size and time of the controller of an Ingress."""
    found, given = controller(facts, ingress), annotations_of(ingress)
    match found:
        case "":
            return
        case _ if found == INGRESS_NGINX:
            yield from _ingress_nginx(given)
        case _ if found == TRAEFIK:
            yield _traefik(facts, ingress)
        case _ if found == ALB:
            yield _alb(given)
        case _ if found == F5_NGINX:
            yield from _missing(given, "nginx.org/client-max-body-size", "nginx.org/proxy-read-timeout")
        case _ if found == CONTOUR:
            yield from _missing(given, "projectcontour.io/response-timeout")
        case _ if found in GKE:
            yield unchecked(AREA, "the load balancer of GKE ends requests after 30 s without a BackendConfig", HOW_TO)
        case _:
            yield unchecked(AREA, f"the limits of {found} are not known to this plugin", HOW_TO)


def _ingress_nginx(given: Mapping[str, str]) -> Iterator[Verdict]:
    prefix = "nginx.ingress.kubernetes.io"
    size = given.get(f"{prefix}/proxy-body-size", "1m")
    wrong = []
    if size != "0" and _mebibytes(size) < SMALLEST_BODY_MIB:
        wrong.append(f"proxy-body-size is {size}: larger recordings are refused")
    for annotation in ("proxy-read-timeout", "proxy-send-timeout"):
        seconds = given.get(f"{prefix}/{annotation}", "60")
        if seconds.isdecimal() and int(seconds) < SHORTEST_TIMEOUT_S:
            wrong.append(f"{annotation} is {seconds} s: longer work is cut off")
    if given.get(f"{prefix}/proxy-buffering", "off") == "on":
        wrong.append("proxy-buffering is on: answers do not arrive as they are written")
    for text in wrong:
        yield fault(AREA, text, "remove the annotation from spec.bridge.ingress.annotations: the operator sets it")
    if not wrong:
        yield ok(AREA, "ingress-nginx: size, buffering and timeouts fit")


def _traefik(facts: Facts, ingress: Json) -> Verdict:
    pods = controller_pods(facts, ingress)
    if not pods:
        return unchecked(AREA, "whether Traefik ends uploads after 60 s: its pods cannot be read", HOW_TO)
    arguments = [
        argument.lower()
        for container in pods[0]["spec"].get("containers") or ()
        for argument in (*(container.get("command") or ()), *(container.get("args") or ()))
    ]
    given = [value for argument in arguments if (value := argument.partition("respondingtimeouts.readtimeout=")[2])]
    seconds = [_seconds(value) for value in given]
    if None in seconds:
        return unchecked(AREA, f"Traefik: the time for reading a request is {' and '.join(given)}", HOW_TO)
    if given and all(not value or value >= SHORTEST_TIMEOUT_S for value in seconds):
        return ok(AREA, f"Traefik: the time for reading a request is {' and '.join(given)}")
    if given:
        return warning(
            AREA, f"Traefik ends the reading of a request after {' and '.join(given)}: {CUT_OFF}", READ_TIMEOUT
        )
    if any("configfile" in argument for argument in arguments):
        return unchecked(AREA, "Traefik is configured by a file: check respondingTimeouts.readTimeout there", HOW_TO)
    return warning(
        AREA,
        f"Traefik ends the reading of a request after 60 s: {CUT_OFF}",
        READ_TIMEOUT,
    )


def _alb(given: Mapping[str, str]) -> Verdict:
    attributes = given.get("alb.ingress.kubernetes.io/load-balancer-attributes", "")
    found = re.search(r"idle_timeout\.timeout_seconds=(\d+)", attributes)
    if found and int(found[1]) >= SHORTEST_TIMEOUT_S:
        return ok(AREA, f"the ALB waits {found[1]} s")
    return fault(
        AREA,
        f"the ALB ends connections without traffic after {found[1] if found else 60} s",
        "set alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=4000 in "
        "spec.bridge.ingress.annotations",
    )


def _missing(given: Mapping[str, str], *wanted: str) -> Iterator[Verdict]:
    lacking = [annotation for annotation in wanted if annotation not in given]
    if lacking:
        yield warning(AREA, f"without {' and '.join(lacking)}, long requests are cut off", HOW_TO)
    else:
        yield ok(AREA, "the annotations for size and timeouts are set")


def _mebibytes(size: str) -> float:
    found = re.fullmatch(r"(\d+)([kmg]?)", size.strip().lower())
    return int(found[1]) * UNITS[found[2]] if found else 0.0


def _seconds(duration: str) -> float | None:
    """Return the seconds of a duration of Go, such as `10m0s`, or of plain seconds; None if it is neither."""
    if not re.fullmatch(r"\d+|(\d+(\.\d+)?(ms|s|m|h))+", duration):
        return None
    return sum(float(number) * SECONDS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h|)", duration))


def _is_labelled(pod: Json, app: str) -> bool:
    return labels(pod).get("app") == app or labels(pod).get("k8s-app") == app
