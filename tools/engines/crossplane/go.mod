module github.com/mystique-unicorn/sales-events/tools/engines/crossplane

go 1.26.0

// Its CustomResourceDefinitions only. No Go code imports it, so do not tidy.
require github.com/crossplane/crossplane/v2 v2.4.0
