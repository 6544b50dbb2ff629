//go:build e2e

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// awsAccount calls the local AWS by its protocols, without an SDK for each service.
type awsAccount struct{ endpoint, admin string }

func newAccount(t *testing.T, c client.Client) *awsAccount {
	t.Helper()
	var service corev1.Service
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "localaws", Name: "localaws"}, &service); err != nil {
		t.Fatal(err)
	}
	at := func(port string) string {
		for _, p := range service.Spec.Ports {
			if p.Name == port {
				return fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, p.Port)
			}
		}
		t.Fatalf("the Service localaws has no port %s", port)
		return ""
	}
	return &awsAccount{at("http"), at("admin")}
}

// provisioner, followed by a spoke's name, is the name of the role with which the provider
// provisions the spoke.
const provisioner = "sales-events-provisioner-"

// withheld are the actions of WITHOUT, which no provisioner is ever granted. With any, the
// test must fail and name one.
var withheld = strings.Fields(os.Getenv("WITHOUT"))

// prepare creates what a user creates by hand in step 2 of docs/aws.md, without the
// permissions for some actions.
func (a *awsAccount) prepare(t *testing.T, spoke string, without ...string) {
	t.Helper()
	// The local cluster is the hub.
	trust := strings.ReplaceAll(document(t, "provisioner-trust", spoke), "role/hub-provider-aws", "role/local-provider-aws")
	a.query(t, "iam", "2010-05-08", "CreatePolicy", "PolicyName", "sales-events-boundary-"+spoke, "PolicyDocument", document(t, "boundary", spoke))
	a.query(t, "iam", "2010-05-08", "CreateRole", "RoleName", provisioner+spoke, "AssumeRolePolicyDocument", trust)
	a.grant(t, spoke, without...)
}

// grant gives the provisioner its policy, without some actions.
func (a *awsAccount) grant(t *testing.T, spoke string, without ...string) {
	t.Helper()
	granted := document(t, "provisioner", spoke)
	policy := granted
	for _, action := range slices.Concat(without, withheld) {
		quoted := strconv.Quote(action)
		if !strings.Contains(granted, quoted) {
			t.Fatalf("docs/aws/provisioner.json does not grant %s", action)
		}
		policy = strings.ReplaceAll(policy, quoted, `"ec2:DescribeVpcs"`)
	}
	a.query(t, "iam", "2010-05-08", "PutRolePolicy", "RoleName", provisioner+spoke, "PolicyName", "provision", "PolicyDocument", policy)
}

// document returns a file of docs/aws with the values of a spoke.
func document(t *testing.T, name, spoke string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../docs/aws", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return os.Expand(string(data), func(variable string) string {
		return map[string]string{
			"SPOKE": spoke, "SPOKE_ACCOUNT": localAccount, "HUB_ACCOUNT": localAccount, "AWS_REGION": localRegion,
			"ISSUER": "of-another-hub",
		}[variable]
	})
}

// inject replaces all faults of the local AWS. docs/localaws.md describes their fields.
func (a *awsAccount) inject(t *testing.T, faults ...string) {
	t.Helper()
	a.administer(t, http.MethodPut, "/faults", `{"seed": 1, "faults": [`+strings.Join(faults, ", ")+`]}`)
}

// administer calls the admin endpoint, and returns the answer.
func (a *awsAccount) administer(t *testing.T, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return a.do(t, request)
}

// called is how often a role was allowed and denied an action, and the resources on which
// it was denied.
type called struct {
	allowed, denied int
	deniedOn        []string
}

// calls returns the actions that each role called, by the role's name.
func (a *awsAccount) calls(t *testing.T) map[string]map[string]called {
	t.Helper()
	var table struct {
		Calls []struct {
			Caller, Action, Resource string
			Allowed, Denied          int
		}
	}
	if err := json.Unmarshal([]byte(a.administer(t, http.MethodGet, "/calls", "")), &table); err != nil {
		t.Fatal(err)
	}
	roles := map[string]map[string]called{}
	for _, row := range table.Calls {
		name := path.Base(row.Caller)
		if roles[name] == nil {
			roles[name] = map[string]called{}
		}
		sum := roles[name][row.Action]
		sum.allowed, sum.denied = sum.allowed+row.Allowed, sum.denied+row.Denied
		if row.Denied > 0 {
			sum.deniedOn = append(sum.deniedOn, row.Resource)
		}
		roles[name][row.Action] = sum
	}
	return roles
}

// checkDenied checks that the provisioners were denied only the actions that they are not
// granted at first.
func (a *awsAccount) checkDenied(t *testing.T) {
	t.Helper()
	for role, actions := range a.calls(t) {
		for action, count := range actions {
			spoke, is := strings.CutPrefix(role, provisioner)
			expected := slices.Contains(missing(spoke), action) && !slices.Contains(withheld, action)
			if is && count.denied > 0 && !expected {
				t.Fatalf("%s was denied %s %d times, on %s", role, action, count.denied, strings.Join(count.deniedOn, ", "))
			}
		}
	}
}

// logCalls logs the actions that each role called.
func (a *awsAccount) logCalls(t *testing.T) {
	t.Helper()
	roles := a.calls(t)
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		var rows strings.Builder
		total := 0
		for _, action := range slices.Sorted(maps.Keys(roles[role])) {
			count := roles[role][action]
			total += count.allowed + count.denied
			fmt.Fprintf(&rows, "\n%8d  %s", count.allowed, action)
			if count.denied > 0 {
				fmt.Fprintf(&rows, ", denied %d times, on %s", count.denied, strings.Join(count.deniedOn, ", "))
			}
		}
		t.Logf("%s called %d actions %d times:%s", role, len(roles[role]), total, &rows)
	}
}

// logUnused logs the actions that the roles of docs/aws.md are granted and never called.
func (a *awsAccount) logUnused(t *testing.T) {
	t.Helper()
	var table struct {
		Unused []struct {
			Role    string
			Actions []string
		}
	}
	if err := json.Unmarshal([]byte(a.administer(t, http.MethodGet, "/calls", "")), &table); err != nil {
		t.Fatal(err)
	}
	for _, row := range table.Unused {
		t.Logf("granted to %s, and never called: %s", path.Base(row.Role), strings.Join(row.Actions, " "))
	}
}

// vpcs returns the IDs of a spoke's VPCs.
func (a *awsAccount) vpcs(t *testing.T, spoke string) []string {
	t.Helper()
	said := a.query(t, "ec2", "2016-11-15", "DescribeVpcs", "Filter.1.Name", "tag:cluster", "Filter.1.Value.1", spoke)
	var ids []string
	for _, match := range regexp.MustCompile(`<vpcId>([^<]+)</vpcId>`).FindAllStringSubmatch(said, -1) {
		ids = append(ids, match[1])
	}
	return ids
}

// creations returns how often a spoke's provisioner created something, by action. It leaves
// out queues, because CreateQueue also returns an existing queue with the same attributes.
func (a *awsAccount) creations(t *testing.T, spoke string) map[string]int {
	t.Helper()
	made := map[string]int{}
	for action, count := range a.calls(t)[provisioner+spoke] {
		if _, name, _ := strings.Cut(action, ":"); name == "AllocateAddress" || strings.HasPrefix(name, "Create") && name != "CreateQueue" {
			made[action] = count.allowed
		}
	}
	return made
}

// emptyLogs deletes the log group, which a control plane may create again while it ends.
func (a *awsAccount) emptyLogs(t *testing.T, spoke string) {
	t.Helper()
	a.try(t, a.json(t, "logs", "Logs_20140328.DeleteLogGroup", `{"logGroupName": "/aws/eks/`+spoke+`/cluster"}`))
}

// checkEmpty checks that AWS lists nothing of a spoke.
func (a *awsAccount) checkEmpty(t *testing.T, spoke string) {
	t.Helper()
	tagged := []string{"Filter.1.Name", "tag:cluster", "Filter.1.Value.1", spoke}
	for action, item := range map[string]string{
		"DescribeVpcs": "<vpcId>", "DescribeSubnets": "<subnetId>", "DescribeInternetGateways": "<internetGatewayId>",
		"DescribeAddresses": "<allocationId>", "DescribeRouteTables": "<routeTableId>", "DescribeSecurityGroups": "<groupId>",
		"DescribeVpcEndpoints": "<vpcEndpointId>", "DescribeLaunchTemplates": "<launchTemplateId>", "DescribeFlowLogs": "<flowLogId>",
		"DescribeNetworkInterfaces": "<networkInterfaceId>",
	} {
		if said := a.query(t, "ec2", "2016-11-15", action, tagged...); strings.Contains(said, item) {
			t.Errorf("%s is left of %s: %s", action, spoke, said)
		}
	}
	// AWS lists deleted NAT gateways for an hour.
	live := append(slices.Clone(tagged), "Filter.2.Name", "state", "Filter.2.Value.1", "pending", "Filter.2.Value.2", "available")
	if said := a.query(t, "ec2", "2016-11-15", "DescribeNatGateways", live...); strings.Contains(said, "<natGatewayId>") {
		t.Errorf("a NAT gateway is left of %s: %s", spoke, said)
	}
	for what, request := range map[string]*http.Request{
		"an EKS cluster": a.request(t, http.MethodGet, "eks", "/clusters", ""),
		"a queue":        a.json(t, "sqs", "AmazonSQS.ListQueues", `{"QueueNamePrefix": "`+spoke+`-"}`),
		"a log group":    a.json(t, "logs", "Logs_20140328.DescribeLogGroups", `{"logGroupNamePrefix": "/aws/eks/`+spoke+`/"}`),
		"a bucket":       a.request(t, http.MethodGet, "s3", "/", ""),
	} {
		if said := a.do(t, request); strings.Contains(said, spoke) {
			t.Errorf("%s is left of %s: %s", what, spoke, said)
		}
	}
	if said := a.query(t, "monitoring", "2010-08-01", "DescribeAlarms", "AlarmNamePrefix", spoke+"-"); strings.Contains(said, "<AlarmName>") {
		t.Errorf("an alarm is left of %s: %s", spoke, said)
	}
}

// query calls an action of a service with the query protocol, and returns the answer.
func (a *awsAccount) query(t *testing.T, service, version, action string, parameters ...string) string {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	return a.do(t, a.request(t, http.MethodPost, service, "/", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
}

func (a *awsAccount) json(t *testing.T, service, target, body string) *http.Request {
	t.Helper()
	kind := map[string]string{"sqs": "application/x-amz-json-1.0"}[service]
	if kind == "" {
		kind = "application/x-amz-json-1.1"
	}
	return a.request(t, http.MethodPost, service, "/", body, "X-Amz-Target", target, "Content-Type", kind)
}

// request returns a request that the administrator signed.
func (a *awsAccount) request(t *testing.T, method, service, path, body string, headers ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	hash := sha256.Sum256([]byte(body))
	digest := hex.EncodeToString(hash[:])
	request.Header.Set("X-Amz-Content-Sha256", digest)
	keys := aws.Credentials{AccessKeyID: localKey, SecretAccessKey: localKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, request, digest, service, localRegion, time.Now()); err != nil {
		t.Fatal(err)
	}
	return request
}

// do returns the answer to a request, which must succeed.
func (a *awsAccount) do(t *testing.T, request *http.Request) string {
	t.Helper()
	status, said := a.try(t, request)
	if status >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d %s", request.Method, request.URL, status, said)
	}
	return said
}

func (*awsAccount) try(t *testing.T, request *http.Request) (status int, said string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}
