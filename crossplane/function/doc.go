// Package function is the composition function of this repository's platform
// API: it turns one composite resource (XR) of crossplane/apis into the managed
// resources of provider-aws that realise it.
//
// One call, [Function.RunFunction], goes like this:
//
//  1. The XR's kind picks what composes it; another kind is a fatal result.
//  2. The XR's spec is decoded. Defaults and the rules of the XR's definition
//     have been applied before, by the API server or by who calls in process.
//  3. It is composed. Names come from crossplane/names and depend on nothing
//     that AWS assigns, so that ARNs are known before anything exists.
//  4. What AWS refuses before another resource is ready waits, where the
//     provider does not wait by a reference. So does what needs an observed
//     value that is not there yet. If Crossplane composed it before, it is kept
//     as it was observed: a resource once composed is never left out because an
//     input is missing.
//  5. Usages of Crossplane keep what must outlive another resource when both
//     are deleted, and the XR itself where its spec asks for protection.
//  6. Observed values flow to the XR's status. Each composed resource is ready
//     when AWS reports that it works, which is more than the provider's own
//     condition says. The condition Provisioned names what the XR waits for, and
//     what AWS refused or failed to create.
//
// An error is a fatal result that names the XR's field; Crossplane then changes
// nothing. The function keeps no state and may be called concurrently.
//
// The package must not know how it is called, in process by the tools or by
// Crossplane over gRPC (see cmd/function), nor where a cluster's XRs are kept.
// The structs in managed_*.go hold only the fields that it sets; the rest of a
// managed resource is the provider's.
package function
