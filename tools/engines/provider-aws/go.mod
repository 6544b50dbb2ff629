module github.com/mystique-unicorn/sales-events/tools/engines/provider-aws

go 1.26.0

// Its CustomResourceDefinitions only. No Go code imports it, so do not tidy.
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
