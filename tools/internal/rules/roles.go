package rules

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// roleARN is an IAM role's ARN taken apart. Path begins and ends with a slash.
type roleARN struct{ partition, account, path, name string }

var rolePattern = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role(/(?:[!-~]+/)?)([\w+=,.@-]{1,64})$`)

func parseRoleARN(text string) (roleARN, bool) {
	match := rolePattern.FindStringSubmatch(text)
	if match == nil {
		return roleARN{}, false
	}
	return roleARN{match[1], match[2], match[3], match[4]}, true
}

func (a roleARN) String() string {
	return "arn:" + a.partition + ":iam::" + a.account + ":role" + a.path + a.name
}

// role is an IAM role that the cluster declares.
type role struct {
	object     *render.Object
	path, name string
	// account is empty when the repository does not say whose the role is.
	account string
}

// roles are the roles that the cluster's managed resources declare. They may be
// on the hub while the pods that use them run elsewhere.
func (r *Run) roles() []role {
	var all []role
	for _, o := range r.managed("iam", "Role") {
		all = append(all, role{object: o, name: externalName(o), path: cmp.Or(settingText(o, "path"), "/"), account: r.accountOf(o)})
	}
	return all
}

// declared is the role of an ARN, if the cluster declares it.
func (r *Run) declared(a roleARN) (role, bool) {
	roles := r.roles()
	i := slices.IndexFunc(roles, func(one role) bool { return one.is(a) })
	if i < 0 {
		return role{}, false
	}
	return roles[i], true
}

func (o role) is(a roleARN) bool {
	return o.name == a.name && o.path == a.path && (o.owner() == "" || o.owner() == a.account)
}

// owner is the account of the role: that of its provider configuration, or the
// one whose OIDC provider it trusts, since a role trusts one of its own account.
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

// trust is the role's trust policy; nil if it has none here.
func (o role) trust() (*iam.Policy, error) {
	document := settingText(o.object, "assumeRolePolicy")
	if document == "" {
		return nil, nil
	}
	return iam.Parse("trust policy of "+o.name, iam.TrustPolicy, []byte(document))
}

// accountOf is the account in which a managed resource is made: that of the last
// role which its provider configuration assumes.
func (r *Run) accountOf(o *render.Object) string {
	config := r.providerConfig(o)
	if config == nil {
		return ""
	}
	assumed, _, _ := unstructured.NestedString(config.Object, "spec", "credentials", "webIdentity", "roleARN")
	if chain, _, _ := unstructured.NestedSlice(config.Object, "spec", "assumeRoleChain"); len(chain) > 0 {
		last, _ := chain[len(chain)-1].(map[string]any)
		assumed, _ = last["roleARN"].(string)
	}
	a, _ := parseRoleARN(assumed)
	return a.account
}

// providerReference is which provider configuration a managed resource uses.
func providerReference(o *render.Object) (kind, namespace, name string) {
	kind, _, _ = unstructured.NestedString(o.Object, "spec", "providerConfigRef", "kind")
	name, _, _ = unstructured.NestedString(o.Object, "spec", "providerConfigRef", "name")
	if family(o) == clusterAWS {
		return "ProviderConfig", "", cmp.Or(name, "default")
	}
	if kind = cmp.Or(kind, "ClusterProviderConfig"); kind == "ProviderConfig" {
		namespace = o.GetNamespace()
	}
	return kind, namespace, cmp.Or(name, "default")
}

func (r *Run) providerConfig(o *render.Object) *render.Object {
	kind, namespace, name := providerReference(o)
	return r.Cluster.Find(o, family(o), kind, namespace, name)
}

// roleAnnotation tells EKS, and KEDA, which role the pods of a ServiceAccount
// take.
const roleAnnotation = "eks.amazonaws.com/role-arn"

func annotatedRole(account *render.Object) (roleARN, bool) {
	if account == nil {
		return roleARN{}, false
	}
	return parseRoleARN(account.GetAnnotations()[roleAnnotation])
}

// accountOfPods is the ServiceAccount of a workload's pods, or nil.
func (r *Run) accountOfPods(w model.Workload) *render.Object {
	name := cmp.Or(w.Template.Spec.ServiceAccountName, "default")
	return r.Cluster.Find(w.Object, "", "ServiceAccount", w.GetNamespace(), name)
}

func (r *Run) roleOfPods(w model.Workload) (roleARN, bool) { return annotatedRole(r.accountOfPods(w)) }

// operator is KEDA's operator on the API server of an object that it works on.
func (r *Run) operator(from *render.Object) (model.Workload, bool) {
	for _, w := range r.Cluster.Workloads() {
		if model.Target(w.Object) == model.Target(from) && runsOperator(w) {
			return w, true
		}
	}
	return model.Workload{}, false
}

func runsOperator(w model.Workload) bool {
	for _, container := range w.Template.Spec.Containers {
		if name, _ := splitImage(container.Image); strings.HasSuffix(name, "kedacore/keda") {
			return true
		}
	}
	return false
}
