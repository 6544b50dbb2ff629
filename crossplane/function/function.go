package function

import (
	"context"
	"fmt"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and Version of the composite resources.
const (
	Group   = "platform.mystique-unicorn.io"
	Version = "v1alpha1"
)

// composers holds what composes each kind of XR.
var composers = map[string]func(*composition) error{
	"EKSCluster":   composeEKSCluster,
	"EventBucket":  composeEventBucket,
	"EventQueue":   composeEventQueue,
	"Network":      composeNetwork,
	"WorkloadRole": composeWorkloadRole,
}

// Assigned lists, by kind, the fields of composed resources that other resources wait
// for, with the value that they must have; empty where AWS assigns any. A caller that
// composes without AWS fills them in.
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

// RunFunction composes the XR of a request as the package comment says. It
// returns no error: what is wrong with the XR is a fatal result, so that
// Crossplane shows it on the XR.
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
