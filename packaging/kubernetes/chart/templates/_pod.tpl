{{- /* What DaemonSet and Deployment have in common: the pod. */ -}}
{{- define "kferry.pod" -}}
metadata:
  labels:
    {{- include "kferry.selector" . | nindent 4 }}
    app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # kferry reads its file at the start: another file means other pods.
    checksum/config: {{ include "kferry.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "kferry.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  # Longer than the lame duck and the drain together.
  terminationGracePeriodSeconds: {{ add (int (.Values.limits.lame_duck_s | default 5)) (int (.Values.limits.drain_deadline_s | default 60)) 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      {{- if .Values.seccompLocalhostProfile }}
      type: Localhost
      localhostProfile: {{ .Values.seccompLocalhostProfile }}
      {{- else }}
      type: RuntimeDefault
      {{- end }}
  containers:
    - name: kferry
      image: {{ include "kferry.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run, --config, /etc/kferry/kferry.toml]
      env:
        - name: HOST_IP
          valueFrom: {fieldRef: {fieldPath: status.hostIP}}
        {{- with .Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with .Values.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- range $place := until (int (include "kferry.portCount" .)) }}
        {{- $port := add (int $.Values.listener.ports.first) $place }}
        - {name: kafka-{{ $place }}, containerPort: {{ $port }}{{ if $.Values.hostPort }}, hostPort: {{ $port }}{{ end }}}
        {{- end }}
        {{- range .Values.extraPorts }}
        - {name: {{ .name }}, containerPort: {{ int .port }}{{ if $.Values.hostPort }}, hostPort: {{ int .port }}{{ end }}}
        {{- end }}
        - {name: http, containerPort: {{ include "kferry.httpPort" . }}}
      readinessProbe:
        httpGet: {path: /health/serving, port: http}
        periodSeconds: 2
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /health/live, port: http}
        initialDelaySeconds: 10
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/kferry/kferry.toml, subPath: kferry.toml, readOnly: true}
        - {name: run, mountPath: /run/kferry}
        {{- if .Values.listener.tls.secret }}
        - {name: tls, mountPath: /etc/kferry/tls, readOnly: true}
        {{- end }}
        {{- if .Values.listener.tls.clientCa.secret }}
        - {name: client-ca, mountPath: /etc/kferry/client-ca, readOnly: true}
        {{- end }}
        {{- if or .Values.upstream.ca.secret .Values.upstream.ca.configMap }}
        - {name: upstream-ca, mountPath: /etc/kferry/upstream-ca, readOnly: true}
        {{- end }}
        {{- if .Values.upstream.jaas.secret }}
        - {name: upstream-jaas, mountPath: /etc/kferry/upstream-jaas, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap: {name: {{ include "kferry.fullname" . }}}
    # The control socket.
    - name: run
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    {{- with .Values.listener.tls.secret }}
    - name: tls
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.listener.tls.clientCa.secret }}
    - name: client-ca
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if .Values.upstream.ca.secret }}
    - name: upstream-ca
      secret: {secretName: {{ .Values.upstream.ca.secret }}, defaultMode: 0440}
    {{- else if .Values.upstream.ca.configMap }}
    - name: upstream-ca
      configMap: {name: {{ .Values.upstream.ca.configMap }}}
    {{- end }}
    {{- with .Values.upstream.jaas.secret }}
    - name: upstream-jaas
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- if eq .Values.kind "Deployment" }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}{{ toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels: {{- include "kferry.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
