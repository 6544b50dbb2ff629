package iam

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// role is an IAM role that the cluster declares.
type role struct {
	object     *render.Object
	path, name string
	// account is empty if the repository does not say to which account the role belongs.
	account string
}

// roles returns the roles that the cluster's managed resources declare. They may be on
// the hub while the pods that use them run elsewhere.
func roles(r *rule.Pass) []role {
	var all []role
	for _, o := range r.Cluster.Managed("iam", "Role") {
		all = append(all, role{o, cmp.Or(model.SettingText(o, "path"), "/"), model.ExternalName(o), r.Cluster.AccountOf(o)})
	}
	return all
}

// declared returns the role with an ARN, if the cluster declares it.
func declared(r *rule.Pass, a model.RoleARN) (role, bool) {
	for _, o := range roles(r) {
		if o.is(a) {
			return o, true
		}
	}
	return role{}, false
}

func (o role) is(a model.RoleARN) bool {
	return o.name == a.Name && o.path == a.Path && (o.owner() == "" || o.owner() == a.Account)
}

// owner returns the role's account: the account of its provider configuration, or of the
// OIDC provider that it trusts, because a role trusts one in its own account.
func (o role) owner() string {
	if o.account != "" {
		return o.account
	}
	trust, err := o.trust()
	if err != nil || trust == nil {
		return ""
	}
	for _, statement := range trust.Statements {
		for _, principal := range statement.Principals.Values {
			if match := oidcProvider.FindStringSubmatch(principal.ID); principal.Kind == iam.Federated && match != nil {
				return match[1]
			}
		}
	}
	return ""
}

var oidcProvider = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):oidc-provider/`)

// trust returns the role's trust policy; nil if it is not declared here.
func (o role) trust() (*iam.Policy, error) {
	document := model.SettingText(o.object, "assumeRolePolicy")
	if document == "" {
		return nil, nil
	}
	return iam.Parse("trust policy of "+o.name, iam.TrustPolicy, []byte(document))
}

// roleAnnotation is the annotation that tells EKS and KEDA which role a ServiceAccount's
// pods assume.
const roleAnnotation = "eks.amazonaws.com/role-arn"

func annotatedRole(account *render.Object) (model.RoleARN, bool) {
	if account == nil {
		return model.RoleARN{}, false
	}
	return model.ParseRoleARN(account.GetAnnotations()[roleAnnotation])
}

// accountOfPods returns the ServiceAccount of a workload's pods, or nil.
func accountOfPods(r *rule.Pass, w model.Workload) *render.Object {
	name := cmp.Or(w.Template.Spec.ServiceAccountName, "default")
	return r.Cluster.Find(w.Object, "", "ServiceAccount", w.GetNamespace(), name)
}

func roleOfPods(r *rule.Pass, w model.Workload) (model.RoleARN, bool) {
	return annotatedRole(accountOfPods(r, w))
}

// operator returns KEDA's operator on the API server of an object.
func operator(r *rule.Pass, from *render.Object) (model.Workload, bool) {
	for _, w := range r.Cluster.Workloads() {
		if model.Target(w.Object) == model.Target(from) && runsOperator(w) {
			return w, true
		}
	}
	return model.Workload{}, false
}

func runsOperator(w model.Workload) bool {
	for _, container := range w.Template.Spec.Containers {
		if name, _ := model.SplitImage(container.Image); strings.HasSuffix(name, "kedacore/keda") {
			return true
		}
	}
	return false
}
