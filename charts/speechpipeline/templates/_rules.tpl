{{/*
Permissions of the operator. It reads by list and watch, and prunes by delete. Server-side apply needs patch, and create for
objects that do not exist yet. PVCs hold data, so there is no permission to delete them.
*/}}

{{- define "speechpipeline.rules" -}}
- apiGroups: [speechpipeline.dev]
  resources: [speechpipelines]
  verbs: [list, watch]
- apiGroups: [speechpipeline.dev]
  resources: [speechpipelines/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [create, list, patch, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [create, delete, list, patch, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list, watch]
{{- end }}

{{- define "speechpipeline.clusterRules" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list]
{{- end }}
