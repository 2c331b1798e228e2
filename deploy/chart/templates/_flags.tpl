{{- /* The flags of `dns-ctl run`, made from the values. */ -}}

{{- /* Addresses of the server, with commas between; empty: there is no server. */ -}}
{{- define "kxdns.listen" -}}
{{- if .Values.server.listen -}}
{{ join "," .Values.server.listen }}
{{- else if eq .Values.mode "serve" -}}
$(HOST_IPS)
{{- end -}}
{{- end -}}

{{- /* Seconds of --lameduck that are in force. */ -}}
{{- define "kxdns.lameduck" -}}
{{- if not (kindIs "invalid" .Values.server.lameduck) -}}
{{ int .Values.server.lameduck }}
{{- else -}}
{{ ternary 5 0 (and (eq .Values.mode "serve") .Values.metrics.enabled) }}
{{- end -}}
{{- end -}}

{{- /* How long a pod may take to stop: --lameduck, --grace, and what is to be written at the end. */ -}}
{{- define "kxdns.gracePeriod" -}}
{{- $grace := ternary 5 .Values.server.grace (kindIs "invalid" .Values.server.grace) -}}
{{ add (include "kxdns.lameduck" . | int) (int $grace) 15 }}
{{- end -}}

{{- /* Each is a line of a YAML list. */ -}}
{{- define "kxdns.flags" -}}
{{- $v := .Values -}}
{{- $flags := list (printf "--mode=%s" $v.mode) -}}
{{- with include "kxdns.listen" . -}}
{{- $flags = append $flags (printf "--listen=%s" .) -}}
{{- end -}}
{{- if $v.metrics.enabled -}}
{{- $flags = append $flags (printf "--metrics-listen=[$(HOST_IP)]:%d" (int $v.metrics.port)) -}}
{{- end -}}
{{- if $v.state.enabled -}}
{{- $flags = append $flags "--state-dir=/state" -}}
{{- end -}}
{{- range $flag, $list := dict
    "cluster-domain" $v.clusterDomains
    "namespace" $v.namespaces
    "service-ip" $v.serviceIPs
    "interface" (ternary list $v.kernel.interfaces (eq $v.kernel.hook "off"))
    "exclude-interface" $v.kernel.excludeInterfaces
    "probe" $v.server.probe
    "upstream" $v.upstream.servers -}}
{{- if $list -}}
{{- $flags = append $flags (printf "--%s=%s" $flag (join "," $list)) -}}
{{- end -}}
{{- end -}}
{{- range $domain, $servers := $v.upstream.stubDomains -}}
{{- $flags = append $flags (printf "--stub-domain=%s=%s" $domain (join "," $servers)) -}}
{{- end -}}
{{- range $flag, $switch := dict
    "ignore-empty-services" $v.ignoreEmptyServices
    "answer-endpoints" $v.answerEndpoints -}}
{{- if $switch -}}
{{- $flags = append $flags (printf "--%s" $flag) -}}
{{- end -}}
{{- end -}}
{{- range $flag, $value := dict
    "ttl" $v.ttl
    "pods" $v.pods
    "endpoints" $v.endpoints
    "namespace-selector" $v.namespaceSelector
    "service-selector" $v.serviceSelector
    "hook" $v.kernel.hook
    "tcx-order" $v.kernel.tcxOrder
    "kernel-negative" $v.kernel.negative
    "max-names" $v.kernel.maxNames
    "lease" $v.kernel.lease
    "on-exit" $v.kernel.onExit
    "rate-limit" $v.kernel.rateLimit
    "rate-burst" $v.kernel.rateBurst
    "rate-over" $v.kernel.rateOver
    "lameduck" $v.server.lameduck
    "grace" $v.server.grace
    "config-map" $v.upstream.configMap
    "cache-size" $v.upstream.cacheSize
    "cache-max-ttl" $v.upstream.cacheMaxTTL
    "cache-max-negative-ttl" $v.upstream.cacheMaxNegativeTTL
    "prefetch" $v.upstream.prefetch
    "serve-stale" $v.upstream.serveStale
    "upstream-timeout" $v.upstream.timeout
    "upstream-concurrency" $v.upstream.concurrency
    "log-format" $v.log.format
    "log-level" $v.log.level -}}
{{- if kindIs "string" $value -}}
{{- if $value -}}
{{- $flags = append $flags (printf "--%s=%s" $flag $value) -}}
{{- end -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $flags = append $flags (printf "--%s=%d" $flag (int64 $value)) -}}
{{- end -}}
{{- end -}}
{{- toYaml (concat $flags $v.extraArgs) -}}
{{- end -}}

{{- /* The capabilities that the flags need, as a YAML list. */ -}}
{{- define "kxdns.capabilities" -}}
{{- $needed := list -}}
{{- if or (ne .Values.kernel.hook "off") .Values.cleanup -}}
{{- $needed = list "BPF" "NET_ADMIN" "PERFMON" -}}
{{- end -}}
{{- if and (include "kxdns.listen" .) (not .Values.cleanup) -}}
{{- $needed = append $needed "NET_BIND_SERVICE" -}}
{{- end -}}
{{- toYaml (concat $needed .Values.security.addCapabilities | uniq) -}}
{{- end -}}
