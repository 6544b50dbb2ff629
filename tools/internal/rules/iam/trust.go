package iam

import (
	"errors"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Trust is rule IRSA002.
var Trust = rule.Rule{
	ID: "IRSA002", Severity: findings.Error, Title: "trust policy that does not fit its pods",
	Why: "STS compares the pod's token with the trust policy, and answers AccessDenied without saying what differs " +
		"(https://github.com/crossplane/crossplane/issues/5578). StringEquals takes a wildcard literally. A policy that does " +
		"not compare sub or aud, or that compares sub with a pattern, also trusts other pods of the cluster " +
		"(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html).",
	Example: "\"Condition\": {\"StringEquals\": {\"oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub\": \"system:serviceaccount:apps:*\"}}",
	Fix: "Compare sub with system:serviceaccount:NAMESPACE:NAME and aud with sts.amazonaws.com. Both keys begin with the " +
		"issuer in the provider's ARN.",
	Check: checkTrust,
}

func checkTrust(r *rule.Pass) {
	for _, o := range roles(r) {
		trust, err := o.trust()
		place := model.SettingAt(o.object, "assumeRolePolicy")
		if err != nil {
			reportGrammar(r, place, err)
			continue
		}
		if trust == nil {
			continue
		}
		known := false
		for _, account := range r.Cluster.Of("", "ServiceAccount") {
			if a, ok := annotatedRole(account); ok && o.is(a) {
				reportDefects(r, place, trust, o, account)
				known = true
			}
		}
		if !known {
			reportWildcards(r, place, trust, o)
		}
	}
}

// reportWildcards reports wildcards that never match. It is unknown which pods assume the
// role, but no token contains a wildcard.
func reportWildcards(r *rule.Pass, place model.Field, trust *iam.Policy, o role) {
	for _, statement := range trust.Statements {
		for _, condition := range statement.Conditions {
			_, operator, qualified := strings.Cut(condition.Operator, ":")
			if !qualified {
				operator = condition.Operator
			}
			claim := strings.HasSuffix(condition.Key, ":sub") || strings.HasSuffix(condition.Key, ":aud")
			for _, value := range condition.Values {
				if claim && statement.Effect == iam.Allow && strings.HasPrefix(operator, "StringEquals") && strings.ContainsAny(value.Text, "*?") {
					r.Report(place, "role %s: %s takes the wildcard in %q literally (%s): it never matches",
						o.name, condition.Operator, value.Text, value.Path).
						Fix("write the ServiceAccount's name, or use StringLike if you mean several")
				}
			}
		}
	}
}

// reportDefects reports defects of a trust policy. The manifests do not say which OIDC
// provider belongs to the cluster, so the issuer is only compared within the policy.
func reportDefects(r *rule.Pass, place model.Field, trust *iam.Policy, o role, account *render.Object) {
	subject := iam.Subject{Account: o.account, Namespace: account.GetNamespace(), ServiceAccount: account.GetName()}
	_, defects := trust.Trusts(subject)
	for _, defect := range defects {
		if defect.Kind != iam.DefectShared { // the other name may be another of the role's pods
			r.Report(place, "role %s of %s: %s", o.name, account.Key(), defect.Message).
				Fix("trust " + subject.Claim() + " alone, for sts.amazonaws.com")
		}
	}
}

func reportGrammar(r *rule.Pass, place model.Field, err error) {
	var all iam.Errors
	if !errors.As(err, &all) {
		return
	}
	for _, problem := range all {
		r.Report(place, "%v", problem).Fix("correct the JSON: AWS refuses it")
	}
}
