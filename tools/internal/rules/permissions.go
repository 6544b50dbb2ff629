package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const scalerProgram = "KEDA"

// calls are the IAM actions that the programs call, on which of their
// resources. The batch calls of SQS are authorized as the single ones.
var calls = map[string][]struct{ action, on string }{
	producerProgram: {
		{"sqs:GetQueueUrl", queueResource},
		{"sqs:SendMessage", queueResource},
	},
	consumerProgram: {
		{"sqs:GetQueueUrl", queueResource},
		{"sqs:GetQueueAttributes", queueResource},
		{"sqs:ReceiveMessage", queueResource},
		{"sqs:ChangeMessageVisibility", queueResource},
		{"sqs:DeleteMessage", queueResource},
		{"sqs:GetQueueUrl", deadLetters},
		{"sqs:SendMessage", deadLetters},
		{"s3:PutObject", events},
	},
	scalerProgram: {
		{"sqs:GetQueueAttributes", queueResource},
	},
}

// The resources that programs call.
const (
	queueResource = "queue"
	deadLetters   = "dead-letter queue"
	events        = "events"
)

// resource is a queue or bucket as IAM sees it. The ARN of a bucket's objects
// ends in their prefix.
type resource struct{ service, name, arn string }

// user is a program that acts as a role.
type user struct {
	program   string
	by        *render.Object // the workload or the ScaledObject
	role      roleARN
	region    string
	resources map[string]resource
}

// users are the programs of this project, and KEDA for its SQS triggers, where
// it is known as which role they act.
func (r *Run) users() []user {
	var all []user
	for _, w := range r.Cluster.Workloads() {
		a, annotated := r.roleOfPods(w)
		if !annotated {
			continue
		}
		if c, ok := r.producerSettings(w); ok {
			all = append(all, user{producerProgram, w.Object, a, c.Region, map[string]resource{
				queueResource: a.queue(c.Region, c.Queue),
			}})
		}
		if c, ok := r.consumerSettings(w); ok {
			all = append(all, user{consumerProgram, w.Object, a, c.Region, map[string]resource{
				queueResource: a.queue(c.Region, c.Queue), deadLetters: a.queue(c.Region, c.DeadLetterQueue),
				events: a.objects(c.Bucket, c.Prefix),
			}})
		}
	}
	for _, t := range r.sqsTriggers() {
		region := cmp.Or(t.text("awsRegion"), t.url.region)
		if a, known := r.scalerRole(t); known && t.hasURL && t.url.isAWS() {
			arn := fmt.Sprintf("arn:%s:sqs:%s:%s:%s", a.partition, region, t.url.account, t.url.name)
			all = append(all, user{scalerProgram, t.object, a, region, map[string]resource{queueResource: {"sqs", t.url.name, arn}}})
		}
	}
	return all
}

// queue is one of the role's own account.
func (a roleARN) queue(region, name string) resource {
	return resource{"sqs", name, fmt.Sprintf("arn:%s:sqs:%s:%s:%s", a.partition, region, a.account, name)}
}

func (a roleARN) objects(bucket, prefix string) resource {
	arn := fmt.Sprintf("arn:%s:s3:::%s/", a.partition, bucket)
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		arn += prefix + "/"
	}
	return resource{"s3", bucket, arn}
}

// an example of what the consumer stores below its prefix.
const exampleKey = "event_type=sale_event/dt=2026_01_31/0f8fad5b.json"

// assumingTrigger is a trigger for which KEDA takes another role than its own.
type assumingTrigger struct {
	sqsTrigger
	authentication *render.Object
	assumed        roleARN
	externalID     string
}

func (r *Run) assumingTriggers() []assumingTrigger {
	var all []assumingTrigger
	for _, t := range r.sqsTriggers() {
		object, identity := r.podIdentity(t)
		if identity == nil || identity.Provider != kedav1alpha1.PodIdentityProviderAws {
			continue
		}
		a := assumingTrigger{sqsTrigger: t, authentication: object}
		known := false
		switch {
		case identity.RoleArn != nil:
			a.assumed, known = parseRoleARN(*identity.RoleArn)
		case identity.IsWorkloadIdentityOwner() && t.pods != nil:
			a.assumed, known = r.roleOfPods(*t.pods)
		}
		if identity.ExternalID != nil {
			a.externalID = *identity.ExternalID
		}
		if known {
			all = append(all, a)
		}
	}
	return all
}

func (r *Run) podIdentity(t sqsTrigger) (*render.Object, *kedav1alpha1.AuthPodIdentity) {
	if t.trigger.AuthenticationRef == nil {
		return nil, nil
	}
	object := r.authentication(t.object, t.trigger.AuthenticationRef)
	if object == nil {
		return nil, nil
	}
	spec, readable := authenticationSpec(object)
	if !readable {
		return nil, nil // the schema says why
	}
	return object, spec.PodIdentity
}

// scalerRole is the role as which KEDA reads a trigger's queue.
func (r *Run) scalerRole(t sqsTrigger) (roleARN, bool) {
	_, identity := r.podIdentity(t)
	if identity == nil || identity.Provider != kedav1alpha1.PodIdentityProviderAws {
		return roleARN{}, false
	}
	if identity.RoleArn == nil && !identity.IsWorkloadIdentityOwner() {
		operator, running := r.operator(t.object)
		if !running {
			return roleARN{}, false
		}
		return r.roleOfPods(operator)
	}
	i := slices.IndexFunc(r.assumingTriggers(), func(a assumingTrigger) bool { return a.object == t.object && a.index == t.index })
	if i < 0 {
		return roleARN{}, false
	}
	return r.assumingTriggers()[i].assumed, true
}

func checkPermissions(r *Run) {
	for _, o := range r.roles() {
		documents, _ := r.documents(o)
		for _, d := range documents {
			if _, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text)); d.text != "" && err != nil {
				r.reportGrammar(d.at, err)
			}
		}
	}
	for _, u := range r.users() {
		if o, found := r.declared(u.role); found {
			r.checkCalls(u, o)
		}
	}
}

func (r *Run) checkCalls(u user, o role) {
	policies, complete := r.identity(o)
	place := on(o.object, "spec", "forProvider")
	if documents, _ := r.documents(o); len(documents) > 0 {
		place = documents[0].at
	}
	for _, call := range calls[u.program] {
		target := u.resources[call.on]
		decision := decide(iam.Policies{Identity: policies, Resource: r.resourcePolicy(target.service, target.name)}, u.request(call.action, target))
		if decision.Outcome == iam.Denied || complete && !decision.Allowed() {
			r.report(place, fmt.Sprintf("allow %s on %s", call.action, target.pattern()), "%s of %s calls %s as role %s: %s",
				u.program, u.by.Key(), call.action, o.name, decision.Reason)
			continue
		}
		if key := r.keyOf(u, target); key != "" && complete {
			r.checkKey(place, u, o, policies, call.action, target, key)
		}
	}
}

// pattern is the resource as a policy names it.
func (t resource) pattern() string {
	if strings.HasSuffix(t.arn, "/") {
		return t.arn + "*"
	}
	return t.arn
}

func (u user) request(action string, target resource) iam.Request {
	request := iam.Request{
		Principal: iam.Principal{Kind: iam.AWS, ID: u.role.String()}, Action: action, Resource: target.arn, ResourceAccount: u.role.account,
		Context: map[string][]string{"aws:SecureTransport": {"true"}, "aws:RequestedRegion": {u.region}},
	}
	if strings.HasSuffix(target.arn, "/") {
		request.Resource += exampleKey
	}
	return request
}
