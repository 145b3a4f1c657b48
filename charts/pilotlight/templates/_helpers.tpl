{{/* Name of everything that belongs to this release: "pilotlight", or "<release>-pilotlight". */}}
{{- define "pilotlight.fullname" -}}
{{- if contains "pilotlight" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-pilotlight" .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "pilotlight.operator" -}}
{{ include "pilotlight.fullname" . }}-operator
{{- end }}

{{/* What a Deployment selects by: never changes. */}}
{{- define "pilotlight.selector" -}}
app.kubernetes.io/name: pilotlight
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "pilotlight.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "pilotlight.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: pilotlight
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "pilotlight.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "pilotlight.operator" .) }}
{{- else }}{{ required "serviceAccount.create is false: name the account to use in serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* An image reference from {repository, tag, digest}. */}}
{{- define "pilotlight.image" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}

{{/* What the operator may do in the namespaces it works in. docs/install.md gives the reason for each line. */}}
{{- define "pilotlight.rules" -}}
- apiGroups: [pilotlight.dev]
  resources: [modeldeployments]
  verbs: [get, list, watch]
- apiGroups: [pilotlight.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [pilotlight.dev]
  resources: [modeldeployments/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
