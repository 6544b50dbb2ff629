module github.com/mystique-unicorn/sales-events/tools/engines/provider-aws

go 1.26.0

// Its CustomResourceDefinitions only. No Go code imports it, so do not tidy.
require github.com/upbound/provider-aws/v2 v2.5.0
