module github.com/mystique-unicorn/sales-events/tools/engines/helm-controller

go 1.26.0

// Its CustomResourceDefinitions only. No Go code imports it, so do not tidy.
require github.com/fluxcd/helm-controller v1.6.1
