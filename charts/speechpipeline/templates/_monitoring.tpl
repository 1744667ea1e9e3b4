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
