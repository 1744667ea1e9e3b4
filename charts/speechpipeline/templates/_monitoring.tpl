{{/* "true" if the release has PodMonitors. */}}
{{- define "speechpipeline.podMonitors" -}}
{{- $enabled := toString .Values.metrics.podMonitors.enabled }}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") (include "speechpipeline.knowsPodMonitors" .)) }}true{{ end }}
{{- end }}

{{/*
"true" if pods have annotations by which Prometheus finds them, else "false". `auto`: if the release has no PodMonitors and the API
server does not know them. Where it does, a release without them is scraped in another way.
*/}}
{{- define "speechpipeline.scrapeAnnotations" -}}
{{- $enabled := toString .Values.metrics.scrapeAnnotations }}
{{- $monitors := or (include "speechpipeline.podMonitors" .) (include "speechpipeline.knowsPodMonitors" .) }}
{{- eq $enabled "auto" | ternary (not $monitors) (eq $enabled "true") }}
{{- end }}

{{- define "speechpipeline.knowsPodMonitors" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/PodMonitor" }}true{{ end }}
{{- end }}

{{/*
As YAML, the annotations of the operator's pods by which Prometheus finds them. None if the user has the Service scraped: its
endpoints are the same pods.
*/}}
{{- define "speechpipeline.operatorScrape" -}}
{{- $service := .Values.metrics.service }}
{{- $scraped := and $service.enabled (eq (get $service.annotations "prometheus.io/scrape") "true") }}
{{- if and (eq (include "speechpipeline.scrapeAnnotations" .) "true") (not $scraped) -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8081"
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* Takes (list values group). A group of alerting and recording rules as `monitoring.rules` wants it. */}}
{{- define "speechpipeline.ruleGroup" -}}
{{- $values := index . 0 }}
{{- $group := index . 1 }}
{{- $success := printf "(1 - %v)" $values.objectives.success }}
{{- $firstSegment := printf "(1 - %v)" $values.objectives.firstSegment }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- if $rule.alert }}
{{- /* One objective may be the default of the other: a word stands for it between the two replacements. */}}
{{- $expr := $rule.expr | replace "(1 - 0.995)" "(1 - success)" | replace "(1 - 0.95)" $firstSegment | replace "(1 - success)" $success }}
{{- $_ := set $rule "expr" $expr }}
{{- $_ := set $rule.labels "severity" (get $values.severities $rule.labels.severity | default $rule.labels.severity) }}
{{- with $values.runbookBaseUrl }}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" .) $rule.alert) }}
{{- end }}
{{- end }}
{{- if not (has (get $rule "alert") $values.disabled) }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- with $rules -}}
- {{ dict "name" $group.name "rules" . | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}
