package iam_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/iam"
)

const (
	awsDoc = "../../../docs/aws.md"

	hubAccount, spokeAccount = "111122223333", "444455556666" // as the page sets them
)

// fakeAWS stands in for the commands of the page: it answers with the hub's
// issuer and writes every other call down, arguments ended by NUL and calls by
// one more.
const fakeAWS = `set -eu
eksctl() { :; }
aws() {
  case "$1" in
    eks) echo "https://` + cluster + `" ;;
    *) printf '%s\0' "$@" '' >>"$CALLS" ;;
  esac
}
`

// docRole is a role as steps 1 and 2 of the page make it.
type docRole struct{ trust, policy *iam.Policy }

// The commands of docs/aws.md that make roles are run as they stand there, and
// the policies that come out of the shell must allow what Crossplane and Flux
// call, and not what would let them out of their bounds.
func TestAWSDocument(t *testing.T) {
	roles, boundary := rolesOfDoc(t)
	for name, account := range map[string]string{
		"hub-provider-aws":         "crossplane-system:provider-aws",
		"hub-kustomize-controller": "flux-system:kustomize-controller",
	} {
		namespace, serviceAccount, _ := strings.Cut(account, ":")
		_, defects := roles[name].trust.Trusts(iam.Subject{Issuer: cluster, Account: hubAccount, Namespace: namespace, ServiceAccount: serviceAccount})
		for _, defect := range defects {
			t.Errorf("the trust of %s: %s", name, defect.Message)
		}
	}

	const ours, theirs = "arn:aws:iam::" + spokeAccount + ":policy/sales-events-boundary", "arn:aws:iam::aws:policy/AdministratorAccess"
	const stagingRole, provisioner = "arn:aws:iam::" + spokeAccount + ":role/staging-consumer", "arn:aws:iam::" + spokeAccount + ":role/sales-events-provisioner"
	for _, c := range []struct {
		role, action, on string
		key, value       string // of the request's context
		allowed          bool
	}{
		{"hub-provider-aws", "sts:AssumeRole", provisioner, "", "", true},
		{"hub-provider-aws", "sts:TagSession", provisioner, "", "", true},
		{"hub-provider-aws", "sts:AssumeRole", stagingRole, "", "", false},
		{"hub-provider-aws", "sqs:CreateQueue", "arn:aws:sqs:eu-west-1:" + hubAccount + ":q", "", "", false},
		{"hub-kustomize-controller", "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/staging", "", "", true},
		{"hub-kustomize-controller", "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/production", "", "", true},
		{"hub-kustomize-controller", "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/other", "", "", false},
		{"hub-kustomize-controller", "eks:DeleteCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/staging", "", "", false},

		{"sales-events-provisioner", "iam:CreateRole", stagingRole, "iam:PermissionsBoundary", ours, true},
		{"sales-events-provisioner", "iam:CreateRole", stagingRole, "", "", false},
		{"sales-events-provisioner", "iam:CreateRole", stagingRole, "iam:PermissionsBoundary", theirs, false},
		{"sales-events-provisioner", "iam:PutRolePermissionsBoundary", stagingRole, "iam:PermissionsBoundary", ours, true},
		{"sales-events-provisioner", "iam:PutRolePermissionsBoundary", stagingRole, "iam:PermissionsBoundary", theirs, false},
		{"sales-events-provisioner", "iam:DeleteRolePermissionsBoundary", stagingRole, "iam:PermissionsBoundary", ours, false},
		{"sales-events-provisioner", "iam:PutRolePolicy", stagingRole, "iam:PermissionsBoundary", ours, true},
		{"sales-events-provisioner", "iam:PutRolePolicy", provisioner, "", "", false},
		{"sales-events-provisioner", "iam:AttachRolePolicy", stagingRole, "iam:PermissionsBoundary", ours, true},
		{"sales-events-provisioner", "iam:AttachRolePolicy", provisioner, "", "", false},
		{"sales-events-provisioner", "iam:UpdateAssumeRolePolicy", stagingRole, "", "", true},
		{"sales-events-provisioner", "iam:UpdateAssumeRolePolicy", provisioner, "", "", false},
		{"sales-events-provisioner", "iam:DeleteRole", stagingRole, "", "", true},
		{"sales-events-provisioner", "iam:DeleteRole", provisioner, "", "", false},
		{"sales-events-provisioner", "iam:PassRole", stagingRole, "iam:PassedToService", "eks.amazonaws.com", true},
		{"sales-events-provisioner", "iam:PassRole", stagingRole, "iam:PassedToService", "lambda.amazonaws.com", false},
		{"sales-events-provisioner", "iam:PassRole", provisioner, "iam:PassedToService", "eks.amazonaws.com", false},
		{"sales-events-provisioner", "iam:CreateOpenIDConnectProvider", "arn:aws:iam::" + spokeAccount + ":oidc-provider/" + cluster, "", "", true},
		{"sales-events-provisioner", "iam:CreatePolicyVersion", ours, "", "", false},
		{"sales-events-provisioner", "iam:DeletePolicy", ours, "", "", false},
		{"sales-events-provisioner", "iam:CreateUser", "arn:aws:iam::" + spokeAccount + ":user/mallory", "", "", false},
	} {
		request := iam.Request{
			Principal: iam.Principal{Kind: iam.AWS, ID: "arn:aws:iam::" + spokeAccount + ":role/" + c.role},
			Action:    c.action, Resource: c.on, Context: map[string][]string{},
		}
		if c.key != "" {
			request.Context[c.key] = []string{c.value}
		}
		if got := (iam.Policies{Identity: []*iam.Policy{roles[c.role].policy}}).Evaluate(request); got.Allowed() != c.allowed {
			t.Errorf("%s: %s on %s with %s %q: %s (%s)", c.role, c.action, c.on, c.key, c.value, got.Outcome, got.Reason)
		}
	}
	checkAssume(t, roles, provisioner)
	checkBoundary(t, boundary)
}

// The provisioner lets in the hub's provider, and no other role of the hub.
func checkAssume(t *testing.T, roles map[string]docRole, provisioner string) {
	t.Helper()
	for _, name := range []string{"hub-provider-aws", "hub-kustomize-controller"} {
		got := iam.Policies{Identity: []*iam.Policy{roles[name].policy}, Resource: roles["sales-events-provisioner"].trust}.Evaluate(iam.Request{
			Principal: iam.Principal{Kind: iam.AWS, ID: "arn:aws:iam::" + hubAccount + ":role/" + name},
			Action:    "sts:AssumeRole", Resource: provisioner,
		})
		if want := name == "hub-provider-aws"; got.Allowed() != want {
			t.Errorf("%s assumes the provisioner: %s (%s)", name, got.Outcome, got.Reason)
		}
	}
}

// The boundary lets every composed role make its calls, and no role make
// another, whatever its policy says.
func checkBoundary(t *testing.T, boundary *iam.Policy) {
	t.Helper()
	for _, role := range composedRoles {
		for _, c := range role.calls {
			if got := evaluate(boundary, c); !got.Allowed() {
				t.Errorf("the boundary takes %s from %s: %s", c.action, role.serviceAccount, got.Reason)
			}
		}
	}
	everything := parseDocument(t, "everything", iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)
	for _, action := range []string{"iam:CreateRole", "iam:CreateUser", "iam:PassRole", "organizations:LeaveOrganization", "rds:CreateDBInstance"} {
		got := iam.Policies{Identity: []*iam.Policy{everything}, Boundary: boundary}.Evaluate(iam.Request{Action: action, Resource: "arn:aws:iam::" + spokeAccount + ":role/new"})
		if got.Allowed() {
			t.Errorf("a role within the boundary may %s: %s", action, got.Reason)
		}
	}
}

// rolesOfDoc runs the page's commands up to the end of step 2.
func rolesOfDoc(t *testing.T) (roles map[string]docRole, boundary *iam.Policy) {
	t.Helper()
	page, err := os.ReadFile(awsDoc)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(page), "\n## 3.")
	if !found {
		t.Fatalf("%s has no step 3", awsDoc)
	}
	roles = map[string]docRole{}
	for _, call := range callsOf(t, text) {
		option := options(call)
		name := option["--role-name"]
		role := roles[name]
		switch call[1] {
		case "create-policy":
			boundary = parseDocument(t, option["--policy-name"], iam.IdentityPolicy, option["--policy-document"])
		case "create-role":
			role.trust = parseDocument(t, "trust of "+name, iam.TrustPolicy, option["--assume-role-policy-document"])
		case "put-role-policy":
			role.policy = parseDocument(t, name, iam.IdentityPolicy, option["--policy-document"])
		default:
			t.Fatalf("aws %s is new: say here what it does", strings.Join(call[:2], " "))
		}
		if name != "" {
			roles[name] = role
		}
	}
	for _, name := range []string{"hub-provider-aws", "hub-kustomize-controller", "sales-events-provisioner"} {
		if roles[name].trust == nil || roles[name].policy == nil {
			t.Fatalf("%s does not make %s with its trust and its policy", awsDoc, name)
		}
	}
	if boundary == nil {
		t.Fatalf("%s makes no boundary", awsDoc)
	}
	return roles, boundary
}

// callsOf runs the shell blocks of a page and returns the arguments of each
// call of aws.
func callsOf(t *testing.T, page string) [][]string {
	t.Helper()
	script := fakeAWS
	for _, part := range strings.Split(page, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		script += block
	}
	calls := filepath.Join(t.TempDir(), "calls")
	shell := exec.Command("bash", "-c", script)
	shell.Env = append(os.Environ(), "CALLS="+calls)
	if output, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	written, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, call := range bytes.Split(bytes.TrimSuffix(written, []byte("\x00\x00")), []byte("\x00\x00")) {
		all = append(all, strings.Split(string(call), "\x00"))
	}
	return all
}

// options are the arguments of a call by the flag before them.
func options(call []string) map[string]string {
	all := map[string]string{}
	for i := 2; i+1 < len(call); i += 2 {
		all[call[i]] = call[i+1]
	}
	return all
}

func parseDocument(t *testing.T, name string, kind iam.Kind, text string) *iam.Policy {
	t.Helper()
	policy, err := iam.Parse(name, kind, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	return policy
}
