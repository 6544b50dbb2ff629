module github.com/mystique-unicorn/sales-events/tools/engines/provider-aws

go 1.26.0

// The definitions of its kinds, and its program with the kinds that the platform
// activates: tools/internal/build/providertrim generates that from the sources of both
// modules and from main.go. No Go code imports them here, so do not tidy.
//
// Not v2.5.0: it never creates BucketLifecycleConfiguration and
// SecurityGroupIngressRule, both of which the platform composes: each observe ends
// in "Missing Resource Identity After Read" (crossplane-contrib/provider-upjet-aws
// #2003, #2054, #2085, #2191). The upgrade waits for a release with #2040, and for
// a run of it. What v2.4.0 lacks against v2.5.0, by their changelogs: a lifecycle
// configuration that is deleted outside stays Ready and is not made again, and fixes of
// Terraform's provider 6.15 (Auto Mode's computed settings), 6.28 (the deletion of a NAT
// gateway) and 6.29 (ipAddressType of endpoints).
require github.com/upbound/provider-aws/v2 v2.4.0

require github.com/hashicorp/terraform-provider-aws v0.0.0-00010101000000-000000000000

// The fork that provider-aws is released with, as its own go.mod has it.
replace github.com/hashicorp/terraform-provider-aws => github.com/upbound/terraform-provider-aws v0.0.0-20251204202605-7049bcc1808e

// The generated one.
tool github.com/upbound/provider-aws/v2/cmd/provider
