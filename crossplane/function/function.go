// Package function is the composition function of this repository's platform
// API: it turns one composite resource (XR) of crossplane/apis into the managed
// resources of provider-aws that realise it.
//
// One call, [Function.RunFunction], goes like this:
//
//  1. The XR's kind selects the composer; an unknown kind is a fatal result.
//  2. The XR's spec is decoded. The API server, or the caller in process, has applied the
//     defaults and rules of the XR's definition before.
//  3. Its resources are composed. Names come from crossplane/names and do not depend on
//     anything that AWS assigns, so ARNs are known before anything exists.
//  4. A resource waits if AWS would reject it before another one is ready, unless the
//     provider itself waits because of a reference. It also waits for observed values
//     that do not exist yet. If Crossplane composed it before, it is kept as observed: a
//     composed resource is never left out because an input is missing.
//  5. Usages of Crossplane keep resources that must outlive another one when both are
//     deleted, and the XR itself if its spec asks for protection.
//  6. Observed values are copied to the XR's status. A composed resource is ready when
//     AWS reports that it works, which is more than the provider's own condition says.
//     The condition Provisioned names what the XR waits for, and what AWS rejected or
//     failed to create.
//
// An error is a fatal result that names the XR's field; Crossplane then changes
// nothing. The function keeps no state and may be called concurrently.
//
// The package must not know how it is called, in process by the tools or by
// Crossplane over gRPC (see cmd/function), nor where a cluster's XRs are kept.
// The structs in managed_*.go hold only the fields that it sets; the rest of a
// managed resource is the provider's.
package function

import (
	"context"
	"fmt"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and Version are those of the composite resources.
const (
	Group   = "platform.mystique-unicorn.io"
	Version = "v1alpha1"
)

// composers has the composer of each kind of XR.
var composers = map[string]func(*composition) error{
	"EKSCluster":   composeEKSCluster,
	"EventBucket":  composeEventBucket,
	"EventQueue":   composeEventQueue,
	"Network":      composeNetwork,
	"WorkloadRole": composeWorkloadRole,
}

// Assigned returns, by kind, the fields of composed resources that other resources wait
// for, with the value that they must have; empty if AWS assigns one. A caller that
// composes without AWS sets them.
func Assigned() map[schema.GroupVersionKind]map[string]string {
	assigned := map[schema.GroupVersionKind]map[string]string{
		launchTemplate{}.kind(): {latestVersionPath: ""},
	}
	for kind, of := range reports {
		assigned[kind] = map[string]string{}
		for _, field := range of.fields {
			assigned[kind][observedPath+field] = ""
		}
		if of.state != "" {
			assigned[kind][observedPath+of.state] = of.works[0]
		}
	}
	assigned[eksControlPlane{}.kind()][issuerPath] = ""
	assigned[natGateway{}.kind()][natGatewayPath] = ""
	return assigned
}

// Function composes the XRs of [Group]. Its zero value is ready to use.
type Function struct {
	fnv1.UnimplementedFunctionRunnerServiceServer
}

// RunFunction composes the XR of a request as the package comment describes. It never
// returns an error: a fault in the XR is a fatal result, so that Crossplane shows it on
// the XR.
func (Function) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	rsp := response.To(req, response.DefaultTTL)
	if err := compose(req, rsp); err != nil {
		response.Fatal(rsp, err)
	}
	return rsp, nil
}

func compose(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) error {
	c, err := newComposition(req, rsp)
	if err != nil {
		return err
	}
	kind := c.xr.GroupVersionKind()
	composer, known := composers[kind.Kind]
	if !known || kind.Group != Group || kind.Version != Version {
		return fmt.Errorf("%s %s: this function composes no %s of %s", kind.Kind, c.xr.GetName(), kind.Kind, kind.GroupVersion())
	}
	if err := composer(c); err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, c.xr.GetName(), err)
	}
	return c.respond()
}
