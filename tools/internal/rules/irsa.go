package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var irsaRules = []Rule{
	{
		ID: "IRSA001", Severity: findings.Error, Title: "ServiceAccount with a role that nobody declares",
		Why: "EKS's webhook reads one annotation of the ServiceAccount and gives the pods a token for whatever ARN it holds " +
			"(https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html). A misspelt key leaves the " +
			"pods with the node's role, a misspelt ARN fails at the first call of AWS. Judged where the cluster declares roles " +
			"at all, and where no composite resource could bring another.",
		Example: "kind: ServiceAccount\nmetadata:\n  annotations:\n    eks.amazon.com/role-arn: arn:aws:iam::111122223333:role/consumer",
		Fix:     "Write eks.amazonaws.com/role-arn with the ARN of a declared role: account, path and name.",
		check:   checkRoleAnnotations,
	},
	{
		ID: "IRSA002", Severity: findings.Error, Title: "trust policy that does not fit its pods",
		Why: "STS compares the token of the pod with the trust policy and answers AccessDenied without saying what differs " +
			"(https://github.com/crossplane/crossplane/issues/5578); StringEquals takes a wildcard literally. A policy " +
			"that does not compare sub or aud, or compares sub with a pattern, lets in other pods of the cluster " +
			"(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html).",
		Example: "\"Condition\": {\"StringEquals\": {\"oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub\": \"system:serviceaccount:apps:*\"}}",
		Fix:     "Compare sub with system:serviceaccount:NAMESPACE:NAME and aud with sts.amazonaws.com, with the keys of the issuer in the provider's ARN.",
		check:   checkTrust,
	},
	{
		ID: "IRSA003", Severity: findings.Error, Title: "role that may not do what its program does",
		Why: "A missing action, or an ARN of another queue, shows as AccessDenied in a log while the queue fills. Which action " +
			"KEDA needs, users had to ask (https://github.com/kedacore/keda/issues/2852). An encrypted queue or bucket needs the key " +
			"too (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html). Conditions " +
			"on what is known only at the time of the call are taken to be met.",
		Example: "\"Action\": [\"sqs:ReceiveMessage\"] # a consumer deletes, too",
		Fix:     "Allow the action that the message names on that ARN.",
		check:   checkPermissions,
	},
	{
		ID: "IRSA004", Severity: findings.Error, Title: "role that may do more than its program does",
		Why: "Who gets into the pod gets what the role may do. The programs of this project, and KEDA's operator, call few " +
			"actions on few resources, so wildcards and managed policies with full access hand out what nobody uses " +
			"(https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege). Roles of other programs " +
			"are not judged, nor those of pods that run anything beside.",
		Example: "\"Action\": \"sqs:*\", \"Resource\": \"*\"",
		Fix:     "Name the actions that the program calls and the ARNs it calls them on.",
		check:   checkGrants,
	},
	{
		ID: "IRSA005", Severity: findings.Error, Title: "static AWS keys",
		Why: "A key in an environment or a Secret never expires and works from everywhere, once it has leaked; a role's " +
			"credentials are the pod's alone and last for hours " +
			"(https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#bp-workloads-use-roles). What talks to another " +
			"endpoint than AWS's may have them.",
		Example: "env:\n  - name: AWS_SECRET_ACCESS_KEY\n    value: wJalrXUtnFEMI",
		Fix:     "Remove the key; give the ServiceAccount a role, and the TriggerAuthentication podIdentity.",
		check:   checkStaticKeys,
	},
	{
		ID: "IRSA006", Severity: findings.Error, Title: "role that does not trust KEDA",
		Why: "With a roleArn, or with the workload's identity, KEDA's operator takes another role than its own: by its web " +
			"identity token, else by sts:AssumeRole (https://keda.sh/docs/latest/authentication-providers/aws/). The role must trust " +
			"the operator; one that trusts only its own pods leaves the scaler with AccessDenied " +
			"(https://github.com/kedacore/keda/issues/706).",
		Example: "podIdentity:\n  provider: aws\n  identityOwner: workload # and the workload's role trusts the workload alone",
		Fix:     "Let the role trust the operator's role for sts:AssumeRole, or KEDA use its own identity.",
		check:   checkTrustsOperator,
	},
}

func checkRoleAnnotations(r *Run) {
	for _, account := range r.Cluster.Of("", "ServiceAccount") {
		r.checkAnnotationKeys(account)
		value, annotated := account.GetAnnotations()[roleAnnotation]
		if !annotated {
			continue
		}
		place := on(account, "metadata", "annotations", roleAnnotation)
		a, ok := parseRoleARN(value)
		if !ok {
			r.report(place, "write arn:aws:iam::ACCOUNT:role/NAME", "%s names %q, which is no role's ARN", account.Key(), value)
			continue
		}
		if _, found := r.declared(a); !found && len(r.roles()) > 0 && !r.unrendered() && !r.uncomposed() {
			r.reportUndeclared(place, account, a)
		}
	}
}

// maxMisspelt is how far a key may be from the right one to be taken for it.
const maxMisspelt = 6

func (r *Run) checkAnnotationKeys(account *render.Object) {
	annotations := account.GetAnnotations()
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		value := annotations[key]
		_, isRole := parseRoleARN(value)
		if isRole && key != roleAnnotation && levenshtein.ComputeDistance(strings.ToLower(key), roleAnnotation) <= maxMisspelt {
			r.report(on(account, "metadata", "annotations", key), "write "+roleAnnotation, "%s names role %s under %s, which EKS does not read", account.Key(), value, key)
		}
	}
}

func (r *Run) reportUndeclared(place at, account *render.Object, a roleARN) {
	var names []string
	for _, o := range r.roles() {
		switch {
		case o.name == a.name && o.path == a.path:
			r.report(place, "write account "+o.owner(), "%s names role %s in account %s, but %s is in %s", account.Key(), a.name, a.account, o.object.Key(), o.owner())
			return
		case o.name == a.name:
			r.report(place, fmt.Sprintf("write role%s%s", o.path, o.name), "%s names role %s with path %s, but %s has path %s", account.Key(), a.name, a.path, o.object.Key(), o.path)
			return
		}
		names = append(names, o.name)
	}
	r.report(place, didYouMean(a.name, names, "declare the role"), "%s names role %s, which the cluster does not declare", account.Key(), a)
}

func checkTrust(r *Run) {
	for _, o := range r.roles() {
		trust, err := o.trust()
		place := settingAt(o.object, "assumeRolePolicy")
		if err != nil {
			r.reportGrammar(place, err)
			continue
		}
		if trust == nil {
			continue
		}
		for _, account := range r.Cluster.Of("", "ServiceAccount") {
			if a, ok := annotatedRole(account); ok && o.is(a) {
				r.reportDefects(place, trust, o, account)
			}
		}
	}
}

// reportDefects leaves the issuer open: which OIDC provider is this cluster's is
// not in its manifests. The policy is held against itself there.
func (r *Run) reportDefects(place at, trust *iam.Policy, o role, account *render.Object) {
	subject := iam.Subject{Account: o.account, Namespace: account.GetNamespace(), ServiceAccount: account.GetName()}
	_, defects := trust.Trusts(subject)
	for _, defect := range defects {
		if defect.Kind != iam.DefectShared { // another of its pods, by name
			r.report(place, "trust "+subject.Claim()+" alone, for sts.amazonaws.com", "role %s of %s: %s", o.name, account.Key(), defect.Message)
		}
	}
}

func (r *Run) reportGrammar(place at, err error) {
	var all iam.Errors
	if !errors.As(err, &all) {
		return
	}
	for _, problem := range all {
		r.report(place, "correct the JSON: AWS refuses it", "%s: %v", place.object.Key(), problem)
	}
}

func checkTrustsOperator(r *Run) {
	reported := map[string]bool{}
	for _, t := range r.assumingTriggers() {
		o, found := r.declared(t.assumed)
		operator, running := r.operator(t.object)
		if !found || !running {
			continue
		}
		own, annotated := r.roleOfPods(operator)
		trust, err := o.trust()
		if !annotated || own == t.assumed || trust == nil || err != nil || r.mayAssume(o, trust, own, r.accountOfPods(operator), t) {
			continue
		}
		if once := o.object.Key().String() + t.authentication.Key().String(); !reported[once] {
			reported[once] = true
			r.report(settingAt(o.object, "assumeRolePolicy"), "add a statement that lets "+own.String()+" call sts:AssumeRole",
				"%s makes KEDA take role %s, which trusts neither %s nor its role %s", t.authentication.Key(), o.name, r.accountOfPods(operator).Key(), own.name)
		}
	}
}

// mayAssume tries what KEDA tries: the operator's token, then its role.
func (r *Run) mayAssume(o role, trust *iam.Policy, own roleARN, account *render.Object, t assumingTrigger) bool {
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
	return decide(iam.Policies{Identity: r.presumed(own), Resource: trust}, request).Allowed()
}

var everything = []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)

// presumed are the policies of a role, or one that allows everything where they
// are not all known.
func (r *Run) presumed(a roleARN) []*iam.Policy {
	if o, found := r.declared(a); found {
		if policies, complete := r.identity(o); complete {
			return policies
		}
	}
	policy, err := iam.Parse("policies of "+a.name, iam.IdentityPolicy, everything)
	if err != nil {
		panic(err) // it is a constant
	}
	return []*iam.Policy{policy}
}
