{{- /* What each container of the DaemonSet has. */ -}}

{{- define "kxdns.container" -}}
image: {{ include "kxdns.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: HOST_IP
    valueFrom:
      fieldRef:
        fieldPath: status.hostIP
  - name: HOST_IPS
    valueFrom:
      fieldRef:
        fieldPath: status.hostIPs
  # In the environment, where `kubectl exec` finds it, too: `dns-ctl status` needs no flag.
  - name: KXDNS_BPFFS
    value: /bpf/kxdns
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
    add:
      {{- include "kxdns.capabilities" . | nindent 6 }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "kxdns.volumeMounts" -}}
# Not below /sys, where container runtimes' AppArmor profiles forbid writing.
- name: bpffs
  mountPath: /bpf
{{- if .Values.state.enabled }}
- name: state
  mountPath: /state
{{- end }}
{{- end -}}
