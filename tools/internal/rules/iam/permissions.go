package iam

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Permissions is rule IRSA003.
var Permissions = rule.Rule{
	ID: "IRSA003", Severity: findings.Error, Title: "role that may not do what its program does",
	Why: "If an action is missing, or is allowed on the ARN of another queue, the program logs AccessDenied while the queue " +
		"fills. Users had to ask which actions KEDA needs (https://github.com/kedacore/keda/issues/2852). For an " +
		"encrypted queue or bucket the role also needs the key " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html). The rule " +
		"assumes that a condition is met if its value is known only at the time of the call.",
	Example: "\"Action\": [\"sqs:ReceiveMessage\"] # a consumer also deletes",
	Fix:     "Allow the action in the message on that ARN.",
	Check:   checkPermissions,
}

func checkPermissions(r *rule.Pass) {
	for _, o := range roles(r) {
		documents, _ := documents(r, o)
		for _, d := range documents {
			if _, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text)); d.text != "" && err != nil {
				reportGrammar(r, d.at, err)
			}
		}
	}
	for _, u := range users(r) {
		if o, found := declared(r, u.role); found {
			checkCalls(r, u, o)
		}
	}
}

func checkCalls(r *rule.Pass, u user, o role) {
	policies, complete := identity(r, o)
	place := model.At(o.object, "spec", "forProvider")
	if documents, _ := documents(r, o); len(documents) > 0 {
		place = documents[0].at
	}
	for _, call := range u.calls {
		target := call.on
		all := iam.Policies{Identity: policies, Resource: resourcePolicy(r, target.service, target.name)}
		decision := decide(all, u.request(call.action, target))
		if decision.Outcome == iam.Denied || complete && !decision.Allowed() {
			r.Report(place,
				"%s of %s calls %s as role %s: %s", u.program, u.by.Key(), call.action, o.name, decision.Reason).
				Fix(fmt.Sprintf("allow %s on %s", call.action, target.pattern()))
			continue
		}
		if key := keyOf(r, u, target); key != "" && complete {
			checkKey(r, place, u, o, policies, call.action, target, key)
		}
	}
}
