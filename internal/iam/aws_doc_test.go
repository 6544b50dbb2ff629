package iam_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

const (
	awsDoc = "../../docs/aws.md"

	hubAccount, spokeAccount = "111122223333", "444455556666" // the values that the page sets
)

// fakeAWS stands in for the commands of the page: it answers with the hub's
// issuer and address and writes every other call down, arguments ended by NUL
// and calls by one more. envsubst is gettext's, which a fresh machine lacks, in awk.
const fakeAWS = `set -eu
envsubst() {
  awk '{
    out = ""
    while (match($0, /[$][{][A-Za-z_][A-Za-z0-9_]*[}]|[$][A-Za-z_][A-Za-z0-9_]*/)) {
      name = substr($0, RSTART, RLENGTH)
      gsub(/[${}]/, "", name)
      out = out substr($0, 1, RSTART - 1) ENVIRON[name]
      $0 = substr($0, RSTART + RLENGTH)
    }
    print out $0
  }'
}
eksctl() { cat >/dev/null; }
aws() {
  case "$1" in
    service-quotas) ;;
    eks) echo "https://` + cluster + `" ;;
    ec2) echo 203.0.113.10 ;;
    *) printf '%s\0' "$@" '' >>"$CALLS" ;;
  esac
}
`

// docRole is a role from steps 1 and 2 of the page.
type docRole struct{ trust, policy *iam.Policy }

// The roles of the page.
const (
	providerRole    = "hub-provider-aws"
	provisionerRole = "sales-events-provisioner-staging"
	spokeRole       = "hub-staging"
)

// stagingRole is a role that the platform creates.
const stagingRole = "arn:aws:iam::" + spokeAccount + ":role/sales-events/staging-consumer"

// ours is the page's boundary.
const ours = "arn:aws:iam::" + spokeAccount + ":policy/sales-events-boundary-staging"

// The commands in docs/aws.md that create roles run unchanged. The resulting policies
// must allow what Crossplane and Flux call, and nothing that would let them escape their
// limits.
func TestAWSDocument(t *testing.T) {
	roles, boundary, autoMode := rolesOfDoc(t)
	t.Run("trust", func(t *testing.T) { checkTrusts(t, roles) })
	t.Run("hub", func(t *testing.T) { checkHub(t, roles) })
	t.Run("provisioner", func(t *testing.T) { checkProvisioner(t, roles[provisionerRole].policy) })
	t.Run("boundary", func(t *testing.T) { checkBoundary(t, boundary) })
	t.Run("boundary of Auto Mode", func(t *testing.T) { checkAutoMode(t, boundary, autoMode) })
}

// checkTrusts: a role of the hub trusts only its ServiceAccounts, by the issuer in the
// role's own account.
func checkTrusts(t *testing.T, roles map[string]docRole) {
	t.Helper()
	for name, trusted := range map[string]struct {
		iam.Subject
		accounts []string
	}{
		providerRole: {
			iam.Subject{Issuer: cluster, Account: hubAccount, Namespace: "crossplane-system"},
			[]string{
				"provider-aws-cloudwatch", "provider-aws-cloudwatchlogs", "provider-aws-ec2", "provider-aws-eks", "provider-aws-iam",
				"provider-aws-s3", "provider-aws-sns", "provider-aws-sqs",
			},
		},
		spokeRole: {iam.Subject{Issuer: cluster, Account: spokeAccount, Namespace: "staging"}, []string{"hub"}},
	} {
		for _, account := range trusted.accounts {
			subject := trusted.Subject
			subject.ServiceAccount = account
			others := len(trusted.accounts) - 1
			_, defects := roles[name].trust.Trusts(subject)
			for _, defect := range defects {
				if others--; defect.Kind != iam.DefectShared || others < 0 {
					t.Errorf("the trust of %s: %s", name, defect.Message)
				}
			}
			other := subject
			other.Namespace = "production"
			stranger := subject
			stranger.ServiceAccount = "crossplane"
			for _, refused := range []iam.Subject{other, stranger} {
				if decision, _ := roles[name].trust.Trusts(refused); decision.Allowed() {
					t.Errorf("%s trusts %s", name, refused.Claim())
				}
			}
		}
	}
}

// checkHub: the hub's roles can find a cluster and assume the provisioner's role, and
// nothing else; the provisioner trusts only the hub's provider.
func checkHub(t *testing.T, roles map[string]docRole) {
	t.Helper()
	const provisioner = "arn:aws:iam::" + spokeAccount + ":role/" + provisionerRole
	for _, c := range []struct {
		role, action, on string
		allowed          bool
	}{
		{providerRole, "sts:AssumeRole", provisioner, true},
		{providerRole, "sts:TagSession", provisioner, true},
		{providerRole, "sts:AssumeRole", stagingRole, false},
		{providerRole, "sqs:CreateQueue", "arn:aws:sqs:eu-west-1:" + hubAccount + ":q", false},
		{spokeRole, "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/staging", true},
		{spokeRole, "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/production", false},
		{spokeRole, "eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + hubAccount + ":cluster/staging", false},
		{spokeRole, "eks:DeleteCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/staging", false},
		{spokeRole, "sts:AssumeRole", provisioner, false},
	} {
		if got := evaluate(roles[c.role].policy, call{c.action, c.on}); got.Allowed() != c.allowed {
			t.Errorf("%s: %s on %s: %s (%s)", c.role, c.action, c.on, got.Outcome, got.Reason)
		}
	}
	for _, name := range []string{providerRole, spokeRole} {
		got := iam.Policies{Identity: []*iam.Policy{roles[name].policy}, Resource: roles[provisionerRole].trust}.Evaluate(iam.Request{
			Principal: iam.Principal{Kind: iam.AWS, ID: "arn:aws:iam::" + hubAccount + ":role/" + name},
			Action:    "sts:AssumeRole", Resource: provisioner,
		})
		if want := name == providerRole; got.Allowed() != want {
			t.Errorf("%s assumes the provisioner: %s (%s)", name, got.Outcome, got.Reason)
		}
	}
}

// checkProvisioner: it may make every call of the provider for resources with a spoke's
// names, the same call for no others, and nothing that would let it escape its limits.
func checkProvisioner(t *testing.T, policy *iam.Policy) {
	t.Helper()
	for _, c := range providerCalls(t) {
		if got := bounded(policy, c, ours); !got.Allowed() {
			t.Errorf("%s on %s: %s", c.action, c.resource, got.Reason)
		}
		if other := (call{c.action, strings.ReplaceAll(c.resource, "staging", "other")}); other != c && bounded(policy, other, ours).Allowed() {
			t.Errorf("allows %s on %s", other.action, other.resource)
		}
	}

	checkDependents(t, policy)

	const provisioner = "arn:aws:iam::" + spokeAccount + ":role/" + provisionerRole
	const theirs = "arn:aws:iam::aws:policy/AdministratorAccess"
	for _, c := range []struct{ action, on, boundary string }{
		{"iam:CreateRole", stagingRole, ""},
		{"iam:CreateRole", stagingRole, theirs},
		{"iam:PutRolePermissionsBoundary", stagingRole, theirs},
		{"iam:DeleteRolePermissionsBoundary", stagingRole, ours},
		{"iam:PutRolePolicy", provisioner, ""},
		{"iam:AttachRolePolicy", provisioner, ""},
		{"iam:UpdateAssumeRolePolicy", provisioner, ""},
		{"iam:UpdateAssumeRolePolicy", "arn:aws:iam::" + spokeAccount + ":role/" + spokeRole, ""},
		// A role of the account that is not in our path, whatever its name.
		{"iam:UpdateAssumeRolePolicy", "arn:aws:iam::" + spokeAccount + ":role/staging-admin", ""},
		{"iam:DeleteRole", "arn:aws:iam::" + spokeAccount + ":role/staging-admin", ""},
		{"iam:PassRole", "arn:aws:iam::" + spokeAccount + ":role/production-admin", ""},
		// A role of another spoke in the same account.
		{"iam:UpdateAssumeRolePolicy", "arn:aws:iam::" + spokeAccount + ":role/sales-events/production-consumer", ""},
		{"sqs:DeleteQueue", "arn:aws:sqs:eu-west-1:" + spokeAccount + ":production-reliable-q", ""},
		{"eks:DeleteCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/production", ""},
		{"sqs:CreateQueue", "arn:aws:sqs:us-east-1:" + spokeAccount + ":staging-reliable-q", ""},
		// Without the hub's issuer the hub could not reach any spoke.
		{"iam:DeleteOpenIDConnectProvider", "arn:aws:iam::" + spokeAccount + ":oidc-provider/" + cluster, ""},
		{"iam:DeleteRole", provisioner, ""},
		{"iam:PassRole", provisioner, ""},
		{"iam:CreatePolicyVersion", ours, ""},
		{"iam:DeletePolicy", ours, ""},
		{"iam:CreateUser", "arn:aws:iam::" + spokeAccount + ":user/mallory", ""},
		{"sts:AssumeRole", stagingRole, ""},
		{"s3:GetObject", "arn:aws:s3:::staging-" + spokeAccount + "-sales-events/a.json", ""},
		{"s3:DeleteObject", "arn:aws:s3:::staging-" + spokeAccount + "-sales-events/a.json", ""},
		{"sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:" + spokeAccount + ":staging-reliable-q", ""},
		{"ssm:SendCommand", "*", ""},
		{"ec2:TerminateInstances", "*", ""},
	} {
		if got := bounded(policy, call{c.action, c.on}, c.boundary); got.Allowed() {
			t.Errorf("allows %s on %s with the boundary %q: %s", c.action, c.on, c.boundary, got.Reason)
		}
	}
	checkNetworks(t, policy)
	passed := iam.Request{Action: "iam:PassRole", Resource: stagingRole, Context: map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}}
	if got := (iam.Policies{Identity: []*iam.Policy{policy}}).Evaluate(passed); got.Allowed() {
		t.Errorf("passes %s to Lambda: %s", stagingRole, got.Reason)
	}
	checkNarrow(t, policy, "ec2:Describe*", "s3:GetBucket*")
}

// checkNetworks: a resource whose id AWS assigns belongs to the spoke by its tag and its
// region.
func checkNetworks(t *testing.T, policy *iam.Policy) {
	t.Helper()
	for _, c := range []struct {
		action, region, tag, creates string
		allowed                      bool
	}{
		{"ec2:DeleteVpc", "eu-west-1", "staging", "", true},
		{"ec2:DeleteVpc", "eu-west-1", "production", "", false},
		{"ec2:DeleteVpc", "eu-west-1", "", "", false},
		{"ec2:DeleteNatGateway", "eu-west-1", "production", "", false},
		{"ec2:ReleaseAddress", "eu-west-1", "", "", false},
		{"ec2:CreateVpc", "eu-west-1", "", "", true},
		{"ec2:CreateVpc", "us-east-1", "", "", false},
		{"ec2:CreateTags", "eu-west-1", "", "CreateVpc", true},
		{"ec2:CreateTags", "eu-west-1", "", "", false},
		{"ec2:CreateTags", "eu-west-1", "staging", "", true},
	} {
		context := map[string][]string{"aws:RequestedRegion": {c.region}}
		if c.tag != "" {
			context["aws:ResourceTag/cluster"] = []string{c.tag}
		}
		if c.creates != "" {
			context["ec2:CreateAction"] = []string{c.creates}
		}
		got := iam.Policies{Identity: []*iam.Policy{policy}}.Evaluate(iam.Request{Action: c.action, Resource: anywhere, Context: context})
		if got.Allowed() != c.allowed {
			t.Errorf("%s in %s on what has the tag cluster=%q: %s (%s)", c.action, c.region, c.tag, got.Outcome, got.Reason)
		}
	}
}

// checkDependents: for every EC2 call that the provisioner may make, it has the dependent
// actions that AWS requires.
func checkDependents(t *testing.T, policy *iam.Policy) {
	t.Helper()
	for _, c := range providerCalls(t) {
		name, ofEC2 := strings.CutPrefix(c.action, "ec2:")
		if !ofEC2 || strings.HasPrefix(name, "Describe") {
			continue
		}
		dependents, found := dependentActions[name]
		if !found {
			t.Errorf("the provider calls %s, and dependentActions does not say what AWS wants besides", c.action)
		}
		for _, action := range strings.Fields(dependents) {
			for _, on := range []string{onZone, onVPC} {
				if got := bounded(policy, call{action, on}, ours); !got.Allowed() {
					t.Errorf("%s wants %s on %s: %s", c.action, action, on, got.Reason)
				}
			}
		}
	}
}

// bounded evaluates a call of the provisioner that names a boundary, or passes
// a role to EKS.
func bounded(policy *iam.Policy, c call, boundary string) iam.Decision {
	request := iam.Request{
		Principal: iam.Principal{Kind: iam.AWS, ID: "arn:aws:iam::" + spokeAccount + ":role/" + provisionerRole},
		Action:    c.action, Resource: c.resource,
		Context: map[string][]string{
			"iam:PassedToService": {"eks.amazonaws.com"}, "aws:RequestedRegion": {"eu-west-1"}, "aws:ResourceTag/cluster": {"staging"},
		},
	}
	if boundary != "" {
		request.Context["iam:PermissionsBoundary"] = []string{boundary}
	}
	return iam.Policies{Identity: []*iam.Policy{policy}}.Evaluate(request)
}

// checkBoundary: it allows every composed role its calls. It allows no role, whatever its
// policy, to create or assume another role, or to act on resources without a spoke's
// names.
func checkBoundary(t *testing.T, boundary *iam.Policy) {
	t.Helper()
	for _, c := range composedCalls(t) {
		own := iam.Request{Action: c.action, Resource: c.resource, Context: map[string][]string{
			"aws:ResourceTag/cluster": {"staging"}, "cloudwatch:namespace": {"ContainerInsights"},
		}}
		if got := (iam.Policies{Identity: []*iam.Policy{boundary}}).Evaluate(own); !got.Allowed() {
			t.Errorf("the boundary takes %s on %s: %s", c.action, c.resource, got.Reason)
		}
	}
	const queue, bucket = "arn:aws:sqs:eu-west-1:" + spokeAccount + ":staging-reliable-q", "arn:aws:s3:::staging-" + spokeAccount + "-sales-events"
	everything := parseDocument(t, "everything", iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)
	for _, c := range []call{
		{"iam:CreateRole", "arn:aws:iam::" + spokeAccount + ":role/new"},
		{"iam:PassRole", "arn:aws:iam::" + spokeAccount + ":role/new"},
		{"iam:CreateUser", "arn:aws:iam::" + spokeAccount + ":user/new"},
		{"sts:AssumeRole", "arn:aws:iam::" + spokeAccount + ":role/admin"},
		{"sts:AssumeRole", "arn:aws:iam::" + hubAccount + ":role/admin"},
		{"organizations:LeaveOrganization", "*"},
		{"ssm:SendCommand", "*"},
		{"ssm:StartSession", "*"},
		{"ssm:PutParameter", "*"},
		{"ssm:CreateAssociation", "*"},
		{"ssm:GetParameter", "arn:aws:ssm:eu-west-1:" + spokeAccount + ":parameter/database/password"},
		{"ec2:ModifyInstanceAttribute", "*"}, // on an instance without our tag
		{"sqs:SendMessage", "arn:aws:sqs:eu-west-1:" + spokeAccount + ":production-reliable-q"},
		{"ec2:RunInstances", "*"},
		{"ec2:TerminateInstances", "*"},
		{"ec2:CreateVpc", "*"},
		{"sqs:PurgeQueue", queue},
		{"sqs:SetQueueAttributes", queue},
		{"sqs:SendMessage", "arn:aws:sqs:eu-west-1:" + spokeAccount + ":other"},
		{"s3:GetObject", bucket + "/a.json"},
		{"s3:DeleteObject", bucket + "/a.json"},
		{"s3:PutBucketPolicy", bucket},
		{"s3:PutObject", "arn:aws:s3:::other/a.json"},
		{"eks:CreateAccessEntry", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/staging"},
		{"eks:DescribeCluster", "arn:aws:eks:eu-west-1:" + spokeAccount + ":cluster/other"},
		{"kms:Decrypt", "*"},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:" + spokeAccount + ":log-group:/aws/eks/staging/cluster:log-stream:audit"},
		{"cloudwatch:PutMetricData", "*"}, // in another namespace
		{"secretsmanager:GetSecretValue", "*"},
		{"rds:CreateDBInstance", "*"},
	} {
		got := iam.Policies{Identity: []*iam.Policy{everything}, Boundary: boundary}.Evaluate(iam.Request{Action: c.action, Resource: c.resource})
		if got.Allowed() {
			t.Errorf("a role within the boundary may %s on %s: %s", c.action, c.resource, got.Reason)
		}
	}
	checkNarrow(t, boundary, "ec2:Describe*", "elasticloadbalancing:*")
}

// named are the services for whose resources we choose names.
var named = []string{"sqs", "s3", "eks", "iam"}

// checkNarrow allows no wildcard in an action but the given ones, and none for a resource
// whose name we choose.
func checkNarrow(t *testing.T, policy *iam.Policy, allowed ...string) {
	t.Helper()
	for _, grant := range policy.Grants() {
		for _, action := range grant.Actions {
			if strings.Contains(action.Text, "*") && !slices.Contains(allowed, action.Text) {
				t.Errorf("allows %s", action.Text)
			}
			service, _, _ := strings.Cut(action.Text, ":")
			for _, resource := range grant.Resources {
				if resource.Text == "*" && slices.Contains(named, service) {
					t.Errorf("allows %s on everything", action.Text)
				}
			}
		}
	}
}

// rolesOfDoc runs the page's commands to the end of step 2, and those for Auto Mode.
func rolesOfDoc(t *testing.T) (roles map[string]docRole, boundary, autoMode *iam.Policy) {
	t.Helper()
	page, err := os.ReadFile(awsDoc)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(page), "\n## 3.")
	if !found {
		t.Fatalf("%s has no step 3", awsDoc)
	}
	_, later, found := strings.Cut(string(page), "\n## Nodes that follow pods\n")
	if !found {
		t.Fatalf("%s does not say how nodes follow pods", awsDoc)
	}
	section, _, _ := strings.Cut(later, "\n## ")
	text += section
	roles = map[string]docRole{}
	issuer := ""
	for _, call := range callsOf(t, text) {
		option := options(call)
		name := option["--role-name"]
		role := roles[name]
		switch call[1] {
		case "create-policy":
			boundary = parseDocument(t, option["--policy-name"], iam.IdentityPolicy, option["--policy-document"])
			checkSize(t, option["--policy-name"], option["--policy-document"], 6144)
		case "create-policy-version":
			if option["--policy-arn"] != ours {
				t.Errorf("%s changes %s, and the boundary is %s", awsDoc, option["--policy-arn"], ours)
			}
			autoMode = parseDocument(t, "the boundary of Auto Mode", iam.IdentityPolicy, option["--policy-document"])
			checkSize(t, "the boundary of Auto Mode", option["--policy-document"], 6144)
		case "create-role":
			role.trust = parseDocument(t, "trust of "+name, iam.TrustPolicy, option["--assume-role-policy-document"])
		case "put-role-policy":
			role.policy = parseDocument(t, name, iam.IdentityPolicy, option["--policy-document"])
			checkSize(t, name, option["--policy-document"], 10240)
		case "tag-role": // the tag of a person, who may then assume a cluster's administrator role
			if option["--tags"] != "Key=administers,Value=staging" {
				t.Errorf("%s gives %s the tags %s", awsDoc, name, option["--tags"])
			}
			continue
		case "create-open-id-connect-provider":
			issuer = option["--url"]
		default:
			t.Fatalf("aws %s is new: say here what it does", strings.Join(call[:2], " "))
		}
		if name != "" {
			roles[name] = role
		}
	}
	for _, name := range []string{providerRole, spokeRole, provisionerRole} {
		if roles[name].trust == nil || roles[name].policy == nil {
			t.Fatalf("%s does not make %s with its trust and its policy", awsDoc, name)
		}
	}
	if boundary == nil || autoMode == nil {
		t.Fatalf("%s makes no boundary, or none for Auto Mode", awsDoc)
	}
	if issuer != "https://"+cluster {
		t.Errorf("%s has the spoke's account believe %q, and the hub's issuer is https://%s", awsDoc, issuer, cluster)
	}
	return roles, boundary, autoMode
}

// checkSize checks a document against IAM's limit, which does not count white space:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func checkSize(t *testing.T, name, document string, limit int) {
	t.Helper()
	if size := len(strings.Join(strings.Fields(document), "")); size > limit {
		t.Errorf("%s has %d characters, and IAM takes %d", name, size, limit)
	}
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
	shell.Dir = filepath.Dir(filepath.Dir(awsDoc))
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

// options returns the arguments of a call, by the flag before each.
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
