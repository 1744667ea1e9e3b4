{{/* Takes (list values group). A group of alerting and recording rules as `monitoring.rules` wants it. */}}
{{- define "speechpipeline.ruleGroup" -}}
{{- $values := index . 0 }}
{{- $group := index . 1 }}
{{- $objectives := dict "speechpipeline:objective:success" $values.objectives.success "speechpipeline:objective:first_segment" $values.objectives.firstSegment }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- with get $objectives (get $rule "record") }}
{{- $_ := set $rule "expr" (printf "vector(%v)" .) }}
{{- end }}
{{- if $rule.alert }}
{{- $_ := set $rule.labels "severity" (get $values.severities $rule.labels.severity | default $rule.labels.severity) }}
{{- with $values.runbookBaseUrl }}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" .) (base $rule.annotations.runbook_url)) }}
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
