package function

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"github.com/crossplane/function-sdk-go/resource"
	"github.com/crossplane/function-sdk-go/resource/composed"
	"github.com/crossplane/function-sdk-go/response"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// report says how a kind's status shows that a resource works. The provider's
// condition Ready is not enough: it is True for everything that has an identifier,
// even if AWS failed to create it (crossplane-contrib/provider-upjet-aws#1228, #1982).
type report struct {
	// fields of status.atProvider must exist.
	fields []string
	// state is a field of status.atProvider whose value must be one of works.
	state string
	works []string
	// underway are the values of state while AWS still works on the resource; missing
	// says that an absent field means the same. Any other state stays until somebody acts.
	underway []string
	missing  bool
	// advice tells a person what to do about it.
	advice string
}

const replace = " says why; delete this object once that is corrected, Crossplane makes it again"

// observedPath is where the provider stores what AWS reports.
const observedPath = "status.atProvider."

// reports are by kind. For a kind without one Ready decides, since its status says
// nothing more. An Addon is such a kind.
var reports = map[schema.GroupVersionKind]report{
	eksControlPlane{}.kind(): {
		state: "status", works: []string{"ACTIVE", "UPDATING"}, underway: []string{"CREATING", "PENDING", "DELETING"}, missing: true,
		advice: "aws eks describe-cluster" + replace,
	},
	nodeGroup{}.kind(): {
		state: "status", works: []string{"ACTIVE", "UPDATING"}, underway: []string{"CREATING", "DELETING"}, missing: true,
		advice: "aws eks describe-nodegroup" + replace,
	},
	// The provider waits until it is available, and a failed gateway has no address.
	natGateway{}.kind(): {fields: []string{"networkInterfaceId", "publicIp"}, advice: "aws ec2 describe-nat-gateways" + replace},
	vpcEndpoint{}.kind(): {
		state: "state", works: []string{"available"}, underway: []string{"pending", "deleting"}, missing: true,
		advice: "aws ec2 describe-vpc-endpoints" + replace,
	},
	route{}.kind(): {state: "state", works: []string{"active"}, missing: true, advice: "what it leads to is gone"},
	// The provider attaches it in a separate call, and retries that.
	internetGateway{}.kind(): {fields: []string{"vpcId"}, missing: true},
	eip{}.kind():             {fields: []string{"publicIp"}, missing: true},
}

// verdict says whether a composed resource works and, if not, what AWS reports.
type verdict struct {
	works  bool
	failed bool // it does not change by itself
	reason string
}

// judge returns the verdict on an observed resource.
func judge(observed *composed.Unstructured) verdict {
	if observed.GetCondition(xpv2.TypeReady).Status != corev1.ConditionTrue {
		return verdict{}
	}
	wanted := reports[observed.GroupVersionKind()]
	var missing []string
	for _, field := range wanted.fields {
		if text(observed, field) == "" {
			missing = append(missing, "no "+field)
		}
	}
	state := text(observed, wanted.state)
	switch {
	case len(missing) > 0:
		return wanted.verdict(wanted.missing, strings.Join(missing, " and "), "AWS reports "+strings.Join(missing, " and "))
	case wanted.state == "" || contains(wanted.works, state):
		return verdict{works: true}
	case state == "":
		return wanted.verdict(wanted.missing, "no "+wanted.state, "AWS reports no "+wanted.state)
	default:
		return wanted.verdict(contains(wanted.underway, state), wanted.state+" "+state, "AWS reports the "+wanted.state+" "+state)
	}
}

// contains ignores case, because some services have states in lower case.
func contains(states []string, state string) bool {
	return slices.ContainsFunc(states, func(one string) bool { return strings.EqualFold(one, state) })
}

// verdict returns the verdict on a resource that does not work.
func (r report) verdict(underway bool, short, sentence string) verdict {
	if underway {
		return verdict{reason: short}
	}
	if r.advice != "" {
		sentence += "; " + r.advice
	}
	return verdict{failed: true, reason: sentence}
}

// text returns a string field of an observed resource, or empty.
func text(observed *composed.Unstructured, field string) string {
	value, _ := observed.GetString(observedPath + field)
	return value
}

// setReadiness reports for each composed resource whether it is ready. Crossplane
// takes one without this report for not ready.
func (c *composition) setReadiness() {
	for id, wanted := range c.desired {
		wanted.Ready = resource.ReadyFalse
		if c.isReady(id) {
			wanted.Ready = resource.ReadyTrue
		}
	}
}

// conditionProvisioned explains in words how far an XR is. Crossplane's own condition
// Ready only lists what is not ready.
const conditionProvisioned = "Provisioned"

func (c *composition) explain() {
	p := c.progress()
	if len(p.unresolved) > 0 {
		c.waitFor("what these refer to is not ready: " + some(p.unresolved))
	}
	stuck := slices.Concat(p.refused, p.failed)
	for _, message := range stuck {
		response.Warning(c.rsp, errors.New(message)).TargetComposite()
	}
	provisioned := func(reason, message string) {
		response.ConditionFalse(c.rsp, conditionProvisioned, reason).WithMessage(message).TargetComposite()
	}
	switch {
	case len(p.refused) > 0:
		provisioned("Refused", strings.Join(stuck, "; "))
	case len(p.failed) > 0:
		provisioned("Failed", strings.Join(stuck, "; "))
	case len(c.waiting) > 0:
		provisioned("Waiting", strings.Join(c.waiting, "; "))
	case len(p.creating) > 0:
		provisioned("Creating", "not ready yet: "+some(p.creating))
	default:
		response.ConditionTrue(c.rsp, conditionProvisioned, "Available").TargetComposite()
	}
}

// some lists the first few of many names.
func some(objects []string) string {
	const few = 5
	if len(objects) <= few+1 {
		return strings.Join(objects, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(objects[:few], ", "), len(objects)-few)
}

// unresolvedReference is the beginning of crossplane-runtime's message for a managed
// resource that refers to one which does not exist, or has no identifier yet.
const unresolvedReference = "cannot resolve references"

// progress groups the composed resources that are not ready by the reason.
type progress struct {
	refused    []string // by AWS or the provider, with the reason
	failed     []string // AWS accepted it and it does not work, with what AWS reports
	unresolved []string // it waits for another one
	creating   []string
}

func (c *composition) progress() progress {
	var p progress
	for _, id := range slices.Sorted(maps.Keys(c.desired)) {
		wanted := c.desired[id].Resource
		object := fmt.Sprintf("%s %s", wanted.GetKind(), wanted.GetName())
		observed, found := c.observed[id]
		if !found {
			p.creating = append(p.creating, object)
			continue
		}
		synced, judged := observed.Resource.GetCondition(xpv2.TypeSynced), judge(observed.Resource)
		switch {
		case synced.Status == corev1.ConditionFalse && strings.HasPrefix(synced.Message, unresolvedReference):
			p.unresolved = append(p.unresolved, object)
		case synced.Status == corev1.ConditionFalse:
			p.refused = append(p.refused, object+": "+synced.Message)
		case judged.failed:
			p.failed = append(p.failed, object+": "+judged.reason)
		case !judged.works && judged.reason != "":
			p.creating = append(p.creating, fmt.Sprintf("%s (%s)", object, judged.reason))
		case !judged.works:
			p.creating = append(p.creating, object)
		}
	}
	return p
}
