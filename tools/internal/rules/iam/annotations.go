package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Annotations is rule IRSA001.
var Annotations = rule.Rule{
	ID: "IRSA001", Severity: findings.Error, Title: "ServiceAccount with a role that nobody declares",
	Why: "EKS's webhook reads one annotation of the ServiceAccount and gives the pods a token for whatever ARN it holds " +
		"(https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html). With a misspelt key the pods " +
		"use the node's role; a misspelt ARN fails at the first call of AWS. The rule judges clusters that declare roles, " +
		"unless a composite resource may bring another one.",
	Example: "kind: ServiceAccount\nmetadata:\n  annotations:\n    eks.amazon.com/role-arn: arn:aws:iam::111122223333:role/consumer",
	Fix:     "Write eks.amazonaws.com/role-arn with the ARN of a declared role: account, path and name.",
	Check:   checkRoleAnnotations,
}

func checkRoleAnnotations(r *rule.Pass) {
	for _, account := range r.Cluster.Of("", "ServiceAccount") {
		checkAnnotationKeys(r, account)
		value, annotated := account.GetAnnotations()[roleAnnotation]
		if !annotated {
			continue
		}
		place := model.At(account, "metadata", "annotations", roleAnnotation)
		a, ok := model.ParseRoleARN(value)
		if !ok {
			r.Report(place, "%s names %q, which is no role's ARN", account.Key(), value).
				Fix("write arn:aws:iam::ACCOUNT:role/NAME")
			continue
		}
		if _, found := declared(r, a); !found && len(roles(r)) > 0 && r.Cluster.Complete(model.ManagedResources.For(account)) {
			reportUndeclared(r, place, account, a)
		}
	}
}

// maxMisspelt is the largest edit distance of a key from the right one that counts as a
// misspelling.
const maxMisspelt = 6

func checkAnnotationKeys(r *rule.Pass, account *render.Object) {
	annotations := account.GetAnnotations()
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		value := annotations[key]
		_, isRole := model.ParseRoleARN(value)
		if isRole && key != roleAnnotation && levenshtein.ComputeDistance(strings.ToLower(key), roleAnnotation) <= maxMisspelt {
			r.Report(model.At(account, "metadata", "annotations", key),
				"%s names role %s under %s, which EKS does not read", account.Key(), value, key).
				Fix("write " + roleAnnotation)
		}
	}
}

func reportUndeclared(r *rule.Pass, place model.Field, account *render.Object, a model.RoleARN) {
	var names []string
	for _, o := range roles(r) {
		switch {
		case o.name == a.Name && o.path == a.Path:
			r.Report(place,
				"%s names role %s in account %s, but %s is in %s", account.Key(), a.Name, a.Account, o.object.Key(), o.owner()).
				Fix("write account " + o.owner())
			return
		case o.name == a.Name:
			r.Report(place,
				"%s names role %s with path %s, but %s has path %s", account.Key(), a.Name, a.Path, o.object.Key(), o.path).
				Fix(fmt.Sprintf("write role%s%s", o.path, o.name))
			return
		}
		names = append(names, o.name)
	}
	r.Report(place, "%s names role %s, which the cluster does not declare", account.Key(), a).
		Fix(rule.DidYouMean(a.Name, names, "declare the role"))
}
