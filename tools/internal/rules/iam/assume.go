package iam

import (
	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Assume is rule IRSA006.
var Assume = rule.Rule{
	ID: "IRSA006", Severity: findings.Error, Title: "role that does not trust KEDA",
	Why: "With a roleArn, or with the workload's identity, KEDA's operator assumes another role than its own, by its web " +
		"identity token or else by sts:AssumeRole (https://keda.sh/docs/latest/authentication-providers/aws/). The role must " +
		"trust the operator. If it trusts only its own pods, the scaler gets AccessDenied " +
		"(https://github.com/kedacore/keda/issues/706).",
	Example: "podIdentity:\n  provider: aws\n  identityOwner: workload # and the workload's role trusts the workload alone",
	Fix:     "Let the role trust the operator's role for sts:AssumeRole, or let KEDA use its own identity.",
	Check:   checkTrustsOperator,
}

func checkTrustsOperator(r *rule.Pass) {
	reported := map[string]bool{}
	for _, t := range assumingTriggers(r) {
		o, found := declared(r, t.assumed)
		operator, running := operator(r, t.Object)
		if !found || !running {
			continue
		}
		own, annotated := roleOfPods(r, operator)
		trust, err := o.trust()
		account := accountOfPods(r, operator)
		if !annotated || own == t.assumed || trust == nil || err != nil || mayAssume(r, o, trust, own, account, t) {
			continue
		}
		if once := o.object.Key().String() + t.authentication.Key().String(); !reported[once] {
			reported[once] = true
			r.Report(model.SettingAt(o.object, "assumeRolePolicy"),
				"%s makes KEDA assume role %s, which trusts neither %s nor its role %s", t.authentication.Key(), o.name, account.Key(), own.Name).
				Fix("add a statement that lets " + own.String() + " call sts:AssumeRole")
		}
	}
}

// mayAssume tries what KEDA tries: first with the operator's token, then with its role.
func mayAssume(r *rule.Pass, o role, trust *iam.Policy, own model.RoleARN, account *render.Object, t assumingTrigger) bool {
	byToken, _ := trust.Trusts(iam.Subject{Account: o.account, Namespace: account.GetNamespace(), ServiceAccount: account.GetName()})
	if byToken.Allowed() {
		return true
	}
	request := iam.Request{
		Principal: iam.Principal{Kind: iam.AWS, ID: own.String()},
		Action:    "sts:AssumeRole", Resource: t.assumed.String(),
		Context: map[string][]string{"sts:RoleSessionName": {"KEDA"}},
	}
	if t.externalID != "" {
		request.Context["sts:ExternalId"] = []string{t.externalID}
	}
	return decide(iam.Policies{Identity: assumedPolicies(r, own), Resource: trust}, request).Allowed()
}

var everything = []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)

// assumedPolicies returns the policies of a role, or one that allows everything if they
// are not all known.
func assumedPolicies(r *rule.Pass, a model.RoleARN) []*iam.Policy {
	if o, found := declared(r, a); found {
		if policies, complete := identity(r, o); complete {
			return policies
		}
	}
	policy, err := iam.Parse("policies of "+a.Name, iam.IdentityPolicy, everything)
	if err != nil {
		panic(err) // the text is constant
	}
	return []*iam.Policy{policy}
}
