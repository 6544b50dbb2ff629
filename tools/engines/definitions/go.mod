module github.com/mystique-unicorn/sales-events/tools/engines/definitions

go 1.26.0

// The projects whose CustomResourceDefinitions validate knows, and that nothing here
// builds or runs: those of infrastructure/monitoring, and of other people's clusters.
// They are a module of their own, so that what these projects link never decides a
// version of ours. No Go code imports them: do not tidy.
require (
	github.com/argoproj/argo-rollouts v1.10.1
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/cert-manager/cert-manager v1.21.2
	github.com/cilium/cilium v1.20.2
	github.com/cloudnative-pg/cloudnative-pg v1.29.0
	github.com/external-secrets/external-secrets v1.3.2
	github.com/grafana/grafana-operator/v5 v5.18.0
	github.com/kyverno/kyverno v1.19.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
	sigs.k8s.io/karpenter v1.14.1
)
