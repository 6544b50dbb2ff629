package aws

import (
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Sizes is rule AWS004.
var Sizes = rule.Rule{
	ID: "AWS004", Severity: findings.Error, Title: "desiredSize that EKS refuses, or that misleads",
	Why: "EKS refuses a node group whose desired size is outside of its bounds " +
		"(https://docs.aws.amazon.com/eks/latest/APIReference/API_NodegroupScalingConfig.html). Two other cases are warnings. " +
		"If the size is in forProvider, the provider resets it at every reconciliation, against the autoscaler that changed " +
		"it. Without an autoscaler nothing ever adds nodes to the desired size, whatever maxSize says " +
		"(https://docs.aws.amazon.com/eks/latest/userguide/autoscaling.html). The rule does not judge clusters whose facts say " +
		"ENVIRONMENT: local.",
	Example: "scalingConfig: {minSize: 3, desiredSize: 2, maxSize: 6}",
	Fix:     "Keep it between minSize and maxSize. With an autoscaler, set it in initProvider; without one, expect no more nodes.",
	Check:   checkSizes,
}

func checkSizes(r *rule.Pass) {
	scaler := scaler(r)
	for _, group := range r.Cluster.Managed("eks", "NodeGroup") {
		desired, said := sizeOf(group, "desiredSize")
		if !said || r.Cluster.IsLocal(group) {
			continue
		}
		least, bounded := sizeOf(group, "minSize")
		most, limited := sizeOf(group, "maxSize")
		switch {
		case bounded && desired.size < least.size:
			r.Report(desired.Field, "desiredSize of %s is %d, below its minSize of %d: EKS refuses it", group.Key(), desired.size, least.size).
				Fix("raise desiredSize, or lower minSize")
		case limited && desired.size > most.size:
			r.Report(desired.Field, "desiredSize of %s is %d, above its maxSize of %d: EKS refuses it", group.Key(), desired.size, most.size).
				Fix("lower desiredSize, or raise maxSize")
		case scaler != nil && desired.kept:
			r.Warn(desired.Field, "%s resets desiredSize to %d whenever %s changes it", group.Key(), desired.size, scaler.Key()).
				Fix("set desiredSize in initProvider")
		case scaler == nil && limited && desired.size < most.size && r.Cluster.Complete(model.Objects.For(group)):
			r.Warn(most.Field, "%s may have %d nodes, but nothing here ever starts more than the desired %d", group.Key(), most.size, desired.size).
				Fix("expect no more than desiredSize, or declare an autoscaler")
		}
	}
}

// size is a number of nodes. kept reports whether the provider sets it at every reconciliation.
type size struct {
	model.Field
	size int64
	kept bool
}

func sizeOf(group *render.Object, name string) (size, bool) {
	for _, block := range []string{"forProvider", "initProvider"} {
		for _, value := range model.Values(group, "spec/"+block+"/scalingConfig/"+name) {
			if n, whole := value.Value.(int64); whole {
				return size{value.Field, n, block == "forProvider"}, true
			}
		}
	}
	return size{}, false
}

// scaler returns a declared object that changes the number of nodes. It looks in all
// clusters, because the group's resource may be on another cluster than its nodes.
func scaler(r *rule.Pass) *render.Object {
	for _, release := range r.Cluster.Of(model.ReleaseKind.Group, model.ReleaseKind.Kind) {
		if chart, _, _ := unstructured.NestedString(release.Object, "spec", "chart", "spec", "chart"); chart == "cluster-autoscaler" {
			return release
		}
	}
	for _, w := range r.Cluster.Workloads() {
		for _, c := range w.MainContainers() {
			if name, _ := model.SplitImage(c.Image); path.Base(name) == "cluster-autoscaler" {
				return w.Object
			}
		}
	}
	return nil
}
