{{/* Names, labels and images. Each template takes the root context unless noted otherwise. */}}

{{- define "speechpipeline.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-operator" (.Values.nameOverride | default .Release.Name)) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Takes (list root suffix). A name with a suffix that is valid for Services and pods: 63 characters, without dots. */}}
{{- define "speechpipeline.suffixed" -}}
{{- $room := sub 62 (len (index . 1)) | int }}
{{- printf "%s-%s" (include "speechpipeline.fullname" (index . 0) | replace "." "-" | trunc $room | trimSuffix "-") (index . 1) }}
{{- end }}

{{/* The namespaces to manage as a JSON list, empty for all of them. */}}
{{- define "speechpipeline.namespaces" -}}
{{- if and .Values.watchNamespace .Values.watchNamespaces }}
{{- fail "watchNamespace is deprecated and cannot be combined with watchNamespaces: move it into the list" }}
{{- end }}
{{- .Values.watchNamespaces | default (compact (list .Values.watchNamespace)) | toJson }}
{{- end }}

{{/* Name of cluster-scoped objects, with the release's namespace if there are watchNamespaces: several releases may coexist then. */}}
{{- define "speechpipeline.clusterName" -}}
{{- if include "speechpipeline.namespaces" . | fromJsonArray }}{{ .Release.Namespace }}-{{ end }}{{ include "speechpipeline.fullname" . }}
{{- end }}

{{- define "speechpipeline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "speechpipeline.fullname" .) }}
{{- else }}{{ required "serviceAccount.name: name the ServiceAccount to use when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The operator's NetworkPolicies admit pods with this name label to Whisper and Ollama. */}}
{{- define "speechpipeline.selector" -}}
app.kubernetes.io/name: speechpipeline-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "speechpipeline.labels" -}}
{{ include "speechpipeline.selector" . }}
{{ include "speechpipeline.commonLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Takes (list root component). Labels of a hook's objects, whose pods must not be taken for the operator's. */}}
{{- define "speechpipeline.hookLabels" -}}
app.kubernetes.io/name: speechpipeline-{{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{ include "speechpipeline.commonLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object. managed-by is Helm, so the operator ignores these objects. */}}
{{- define "speechpipeline.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: speechpipeline
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- range $name, $value := .Values.commonLabels }}
{{- if not (has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "helm.sh/chart")) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Takes (list root annotations). The annotations of an object, with those of all objects; nothing if there are none. */}}
{{- define "speechpipeline.annotations" -}}
{{- with merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Takes (list root name suffix?). The reference of an image in .Values.images; the suffix is appended to the default tag. */}}
{{- define "speechpipeline.image" -}}
{{- $root := index . 0 }}
{{- $images := $root.Values.images }}
{{- $image := get $images (index . 1) }}
{{- $tag := print $root.Chart.AppVersion (join "" (slice . 2)) }}
{{- with $images.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $tag }}{{ end }}
{{- end }}

{{/* imagePullSecrets of the chart's own pods. */}}
{{- define "speechpipeline.pullSecrets" -}}
{{- with .Values.images.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
