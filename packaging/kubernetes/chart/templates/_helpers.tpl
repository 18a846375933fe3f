{{- define "kferry.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "kferry.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kferry.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "kferry.selector" . }}
{{- end }}

{{- define "kferry.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "kferry.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "kferry.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "kferry.sni" -}}{{- if eq .Values.listener.routing "sni" }}yes{{ end }}{{- end }}
{{- define "kferry.firstPort" -}}{{ int .Values.listener.ports.first }}{{- end }}
{{- define "kferry.portCount" -}}{{ ternary 1 (int .Values.listener.ports.count) (eq .Values.listener.routing "sni") }}{{- end }}
{{- define "kferry.lastPort" -}}
{{- sub (add (int .Values.listener.ports.first) (int (include "kferry.portCount" .))) 1 }}
{{- end }}
{{- define "kferry.httpPort" -}}{{ regexFind "[0-9]+$" .Values.operations.bind }}{{- end }}

{{- define "kferry.advertisedHost" -}}
{{- .Values.listener.advertisedHost | default (printf "%s.%s.svc.%s" (include "kferry.fullname" .) .Release.Namespace
    .Values.service.clusterDomain) }}
{{- end }}

{{- /* The names clients ask for: the bootstrap name and a wildcard for the brokers'. */ -}}
{{- define "kferry.sniNames" -}}
{{- $pattern := .Values.listener.advertisedHostPattern }}
{{- $domain := regexReplaceAll "^[^.]*\\." $pattern "" }}
{{- $first := regexFind "^[^.]*" $pattern }}
{{- $label := $first | replace "-{{nodeId}}" "" | replace "{{nodeId}}-" "" | replace "{{nodeId}}" "" }}
{{- $derived := ternary (printf "%s.%s" $label $domain) $domain (ne $label "") }}
{{- list (.Values.listener.bootstrapHostPattern | default $derived) (printf "*.%s" $domain) | toJson }}
{{- end }}

{{- /* One value of TOML. */ -}}
{{- define "kferry.tomlValue" -}}
{{- if or (kindIs "float64" .) (kindIs "int" .) (kindIs "int64" .) }}{{ int64 . }}
{{- else if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ $key }} = {{ include "kferry.tomlValue" (get $ $key) }}{{ end }} }
{{- else }}{{ toRawJson . }}{{ end }}
{{- end }}

{{- /* The keys of a table, one a line. */ -}}
{{- define "kferry.tomlKeys" -}}
{{- range $key, $value := . }}
{{ $key }} = {{ include "kferry.tomlValue" $value }}
{{- end }}
{{- end }}

{{- define "kferry.config" -}}
{{- $upstream := .Values.upstream }}
{{- $listener := .Values.listener -}}
[cluster.default.upstream]
bootstrap_servers = {{ $upstream.bootstrapServers | toRawJson }}
security_protocol = {{ $upstream.securityProtocol | quote }}
{{- if or $upstream.ca.secret $upstream.ca.configMap }}
ssl_truststore_location = {{ printf "/etc/kferry/upstream-ca/%s" $upstream.ca.key | quote }}
{{- end }}
{{- if $upstream.jaas.secret }}
sasl_jaas_config_file = {{ printf "/etc/kferry/upstream-jaas/%s" $upstream.jaas.key | quote }}
{{- end }}
{{- include "kferry.tomlKeys" $upstream.settings }}

[cluster.default.listener.{{ $listener.name }}]
security_protocol = {{ $listener.securityProtocol | quote }}
bind_address = {{ $listener.bindAddress | quote }}
{{- if include "kferry.sni" . }}
routing = "sni"
ports = {{ include "kferry.firstPort" . | quote }}
advertised_host_pattern = {{ $listener.advertisedHostPattern | quote }}
{{- with $listener.bootstrapHostPattern }}
bootstrap_host_pattern = {{ . | quote }}
{{- end }}
{{- else }}
ports = {{ printf "%s-%s" (include "kferry.firstPort" .) (include "kferry.lastPort" .) | quote }}
advertised_host = {{ include "kferry.advertisedHost" . | quote }}
min_broker_id = {{ int $listener.minBrokerId }}
{{- end }}
{{- if ne $listener.tls.clientAuth "NONE" }}
ssl_client_auth = {{ $listener.tls.clientAuth | quote }}
{{- end }}
{{- include "kferry.tomlKeys" $listener.settings }}
{{- if $listener.tls.secret }}

[cluster.default.listener.{{ $listener.name }}.tls]
certificate = "/etc/kferry/tls/tls.crt"
key = "/etc/kferry/tls/tls.key"
{{- if $listener.tls.clientCa.secret }}
client_cas = {{ printf "/etc/kferry/client-ca/%s" $listener.tls.clientCa.key | quote }}
{{- end }}
{{- end }}

[engine]
{{- include "kferry.tomlKeys" .Values.engine }}

[limits]
{{- include "kferry.tomlKeys" .Values.limits }}

[operations]
{{- include "kferry.tomlKeys" .Values.operations }}
{{- with .Values.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- /* What values.schema.json cannot say. */ -}}
{{- define "kferry.validate" -}}
{{- if not .Values.upstream.bootstrapServers }}{{ fail "upstream.bootstrapServers: name the brokers to begin with" }}{{ end }}
{{- if and .Values.hostPort (ne .Values.kind "DaemonSet") }}{{ fail "hostPort: needs kind: DaemonSet" }}{{ end }}
{{- if and .Values.autoscaler.enabled (ne .Values.kind "Deployment") }}{{ fail "autoscaler: needs kind: Deployment" }}{{ end }}
{{- if and (include "kferry.sni" .) (not .Values.listener.advertisedHostPattern) }}
{{- fail "listener.advertisedHostPattern: sni needs the brokers' names" }}{{ end }}
{{- if and (has .Values.listener.securityProtocol (list "SSL" "SASL_SSL")) (not .Values.listener.tls.secret) }}
{{- fail "listener.tls.secret: SSL and SASL_SSL need a certificate" }}{{ end }}
{{- if and (not .Values.service.enabled) (not .Values.listener.advertisedHost) (not (include "kferry.sni" .)) }}
{{- fail "listener.advertisedHost: without a Service kferry has no name of its own" }}{{ end }}
{{- if and .Values.tlsRoute.enabled (not (include "kferry.sni" .)) }}{{ fail "tlsRoute: needs listener.routing: sni" }}{{ end }}
{{- if and .Values.tlsRoute.enabled (not .Values.service.enabled) }}{{ fail "tlsRoute: needs the Service" }}{{ end }}
{{- if and .Values.certificate.enabled (not .Values.listener.tls.secret) }}
{{- fail "certificate: name its Secret in listener.tls.secret" }}{{ end }}
{{- end }}
