module github.com/mystique-unicorn/sales-events/tools/engines/prometheus-operator

go 1.26.0

// Its CustomResourceDefinitions only, which infrastructure/monitoring is checked with. No
// Go code imports it, so do not tidy.
require github.com/prometheus-operator/prometheus-operator v0.85.0
