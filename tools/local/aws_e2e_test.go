//go:build e2e

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// The local AWS has one account and one region; this is its administrator's key.
const localAccount, localRegion, localKey = "000000000000", "eu-west-1", "local"

// spokes are what the hub provisions.
var spokes = []string{"staging", "production"}

// provisioning is for how long a whole spoke is waited for. Production's network and
// cluster are some 80 objects, each of which waits for others.
const provisioning = 30 * time.Minute

// TestAWS has the local cluster be the hub: the real provider provisions staging and
// production in the local AWS, with the permissions of docs/aws.md. Then calls fail, and
// the composite resources say so. Deleted in the order of docs/aws.md, both leave an empty
// account.
func TestAWS(t *testing.T) {
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "up")
	c, _ := connect(t, paths)
	account := newAccount(t, c)
	for _, spoke := range spokes {
		account.prepare(t, spoke)
	}
	pushSpokes(t)
	for _, spoke := range spokes {
		checkProvisioned(t, c, spoke)
	}
	for _, fault := range awsFaults {
		t.Run(fault.name, func(t *testing.T) { fault.check(t, c, account) })
	}
	for _, spoke := range spokes {
		removeSpoke(t, c, account, spoke)
		account.checkEmpty(t, spoke)
	}
	makeTarget(t, "down")
}

// pushSpokes adds the spokes' files of the hub to the local cluster's repository. What is
// on the spokes themselves does not start: these clusters have no API server.
func pushSpokes(t *testing.T) {
	t.Helper()
	const local = `
    - target: {kind: ConfigMap, name: cluster-facts}
      patch: |
        - {op: replace, path: /data/AWS_ACCOUNT_ID, value: "` + localAccount + `"}
        - {op: replace, path: /data/AWS_REGION, value: ` + localRegion + `}
    - target: {kind: Kustomization, labelSelector: platform.mystique-unicorn.io/on!=hub}
      patch: |
        - {op: add, path: /spec/suspend, value: true}
    - target: {kind: Kustomization, name: platform}
      patch: |
        - op: add
          path: /spec/patches
          value:
            - target: {kind: ProviderConfig}
              patch: |
                - op: add
                  path: /spec/endpoint
                  value:
                    url: {type: Static, static: "http://localaws.localaws.svc.cluster.local:4566"}
                    hostnameImmutable: true
                    services: [cloudwatch, ec2, eks, iam, logs, s3, s3control, sns, sqs, sts]
                - {op: add, path: /spec/s3_use_path_style, value: true}
                - {op: add, path: /spec/skip_metadata_api_check, value: true}
`
	dir := cloneCluster(t)
	for _, spoke := range spokes {
		data, err := os.ReadFile(filepath.Join(dir, "clusters", "hub", spoke+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		// The patches are the last field of the file.
		to := filepath.Join(dir, "clusters", "local", spoke+".yaml")
		if err := os.WriteFile(to, append(bytes.TrimRight(data, "\n"), local...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message=Be the hub")
	git(t, dir, "push", "--quiet", "origin", "HEAD:main")
}

// platformKinds are the composite resources.
var platformKinds = []string{"Network", "EKSCluster", "EventQueue", "EventBucket", "WorkloadRole"}

// checkProvisioned waits until everything of a spoke is ready, the composite resources and
// what they are composed of.
func checkProvisioned(t *testing.T, c client.Client, spoke string) {
	t.Helper()
	within(t, provisioning, "all of "+spoke+" is ready", func() (string, bool) {
		composites, managed := composites(t, c, spoke), managedResources(t, c, spoke)
		var late []string
		for _, o := range slices.Concat(composites, managed) {
			if conditionOf(o, "Ready").Status != corev1.ConditionTrue || conditionOf(o, "Synced").Status != corev1.ConditionTrue {
				late = append(late, fmt.Sprintf("%s %s: %s", o.GetKind(), o.GetName(), conditionOf(o, "Synced").Message))
			}
		}
		enough := len(composites) > len(platformKinds) && len(managed) > len(composites)
		return fmt.Sprintf("%d composite and %d managed resources, not ready: %s", len(composites), len(managed), strings.Join(late, "; ")),
			enough && len(late) == 0
	})
	t.Logf("%s: %d managed resources", spoke, len(managedResources(t, c, spoke)))
}

func composites(t *testing.T, c client.Client, namespace string) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, kind := range platformKinds {
		composite := schema.GroupVersionKind{Group: "platform.mystique-unicorn.io", Version: "v1alpha1", Kind: kind}
		found = append(found, list(t, c, composite, namespace)...)
	}
	return found
}

// managedResources are those of the activated kinds.
func managedResources(t *testing.T, c client.Client, namespace string) []*unstructured.Unstructured {
	t.Helper()
	activated, err := providertrim.Activated("../../infrastructure/crossplane/packages/base/activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []*unstructured.Unstructured
	for _, name := range activated {
		plural, group, _ := strings.Cut(name, ".")
		kind, err := c.RESTMapper().KindFor(schema.GroupVersionResource{Group: group, Version: "v1beta1", Resource: plural})
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, list(t, c, kind, namespace)...)
	}
	return found
}

func list(t *testing.T, c client.Client, kind schema.GroupVersionKind, namespace string) []*unstructured.Unstructured {
	t.Helper()
	items := &unstructured.UnstructuredList{}
	items.SetGroupVersionKind(kind)
	if err := c.List(t.Context(), items, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var found []*unstructured.Unstructured
	for i := range items.Items {
		found = append(found, &items.Items[i])
	}
	return found
}

// condition is one of an object's, empty where it has none of that type.
type condition struct {
	Type            string
	Status          corev1.ConditionStatus
	Reason, Message string
}

func conditionOf(o *unstructured.Unstructured, wanted string) condition {
	all, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range all {
		var one condition
		data, err := json.Marshal(item)
		if err == nil && json.Unmarshal(data, &one) == nil && one.Type == wanted {
			return one
		}
	}
	return condition{}
}

// awsFault is a way in which AWS fails, and what staging's composite resource says of it.
type awsFault struct {
	name string
	// fault is one of docs/localaws.md.
	fault string
	// remade is the kind of which all objects are deleted for Crossplane to make them again;
	// none where nothing has to be made for the fault to show.
	remade schema.GroupKind
	// composite is the kind that says it, in its condition Provisioned: the reason, and a
	// part of the message.
	composite, reason, message string
}

var awsFaults = []awsFault{
	{
		"a NAT gateway that fails", `{"action": "ec2:CreateNatGateway", "times": 1, "fails": true, "code": "InternalError"}`,
		schema.GroupKind{Group: "ec2.aws.m.upbound.io", Kind: "NATGateway"},
		"Network", "Failed", "AWS reports no",
	},
	{
		"a node group that fails", `{"action": "eks:CreateNodegroup", "times": 1, "fails": true, "code": "NodeCreationFailure"}`,
		schema.GroupKind{Group: "eks.aws.m.upbound.io", Kind: "NodeGroup"},
		"EKSCluster", "Failed", "AWS reports the status CREATE_FAILED",
	},
	{
		"a create that is denied", `{"action": "iam:PutRolePolicy", "rate": 1, "code": "AccessDenied"}`,
		schema.GroupKind{Group: "iam.aws.m.upbound.io", Kind: "RolePolicy"},
		"WorkloadRole", "Refused", "AccessDenied",
	},
	{
		"an observation that is denied", `{"action": "GetQueueAttributes", "rate": 1, "code": "AccessDenied"}`,
		schema.GroupKind{},
		"EventQueue", "Refused", "AccessDenied",
	},
	{
		"throttling", `{"action": "ec2:*", "rate": 0.2, "code": "RequestLimitExceeded"}`,
		schema.GroupKind{Group: "ec2.aws.m.upbound.io", Kind: "VPCEndpoint"},
		"Network", "", "",
	},
}

// check injects the fault, waits for what is said of it, ends it, and waits until all is
// well again.
func (f awsFault) check(t *testing.T, c client.Client, account *awsAccount) {
	const spoke = "staging"
	account.inject(t, f.fault)
	remake := func() {
		for _, o := range managedResources(t, c, spoke) {
			if o.GroupVersionKind().GroupKind() == f.remade {
				if err := c.Delete(t.Context(), o); client.IgnoreNotFound(err) != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remake()
	if f.reason != "" {
		within(t, provisioning, "the "+f.composite+" says so", func() (string, bool) {
			var said []string
			for _, o := range composites(t, c, spoke) {
				if o.GetKind() != f.composite {
					continue
				}
				is := conditionOf(o, "Provisioned")
				said = append(said, is.Reason+": "+is.Message)
				if is.Status == corev1.ConditionFalse && is.Reason == f.reason && strings.Contains(is.Message, f.message) {
					t.Logf("%s %s says %s: %s", f.composite, o.GetName(), is.Reason, is.Message)
					return "", true
				}
			}
			return strings.Join(said, "; "), false
		})
	}
	account.inject(t, "")
	if f.reason == "Failed" {
		remake()
	}
	checkProvisioned(t, c, spoke)
}

// removeSpoke deletes a spoke as docs/aws.md says under Teardown.
func removeSpoke(t *testing.T, c client.Client, account *awsAccount, spoke string) {
	t.Helper()
	suspend := []byte(`{"spec": {"suspend": true}}`)
	kustomization := schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}
	for _, o := range slices.Concat(named(list(t, c, kustomization, "flux-system"), "flux-system", spoke), list(t, c, kustomization, spoke)) {
		patch(t, c, o, suspend)
	}
	for _, o := range composites(t, c, spoke) {
		if _, protects, _ := unstructured.NestedBool(o.Object, "spec", "deletionProtection"); protects {
			patch(t, c, o, []byte(`{"spec": {"deletionProtection": false}}`))
		}
	}
	for _, step := range [][]string{{"WorkloadRole"}, {"EKSCluster"}, {"EventQueue", "EventBucket", "Network"}} {
		for _, o := range composites(t, c, spoke) {
			if slices.Contains(step, o.GetKind()) {
				within(t, patience, "the API server deletes the "+o.GetKind(), func() (string, bool) {
					err := client.IgnoreNotFound(c.Delete(t.Context(), o))
					return fmt.Sprint(err), err == nil
				})
			}
		}
		within(t, provisioning, fmt.Sprintf("%s of %s are gone", strings.Join(step, ", "), spoke), func() (string, bool) {
			var left []string
			for _, o := range composites(t, c, spoke) {
				if slices.Contains(step, o.GetKind()) {
					left = append(left, o.GetKind()+" "+o.GetName())
				}
			}
			return strings.Join(left, ", "), len(left) == 0
		})
		if step[0] == "EKSCluster" {
			account.emptyLogs(t, spoke)
		}
	}
	within(t, provisioning, "no managed resource of "+spoke+" is left", func() (string, bool) {
		left := managedResources(t, c, spoke)
		var names []string
		for _, o := range left {
			names = append(names, fmt.Sprintf("%s %s: %s", o.GetKind(), o.GetName(), conditionOf(o, "Synced").Message))
		}
		return strings.Join(names, "; "), len(left) == 0
	})
}

func named(objects []*unstructured.Unstructured, names ...string) []*unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return !slices.Contains(names, o.GetName()) })
}

func patch(t *testing.T, c client.Client, o *unstructured.Unstructured, merge []byte) {
	t.Helper()
	if err := c.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, merge)); err != nil {
		t.Fatalf("patch %s %s: %v", o.GetKind(), o.GetName(), err)
	}
}

// awsAccount is the local AWS, called by its protocols alone: a test that needed an SDK for
// each service would say less of them.
type awsAccount struct{ endpoint, faults string }

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
	return &awsAccount{at("http"), at("admin") + "/faults"}
}

// prepare makes what step 2 of docs/aws.md makes by hand, by the files of docs/aws.
func (a *awsAccount) prepare(t *testing.T, spoke string) {
	t.Helper()
	document := func(name string) string {
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
	role := "sales-events-provisioner-" + spoke
	// The local cluster is the hub.
	trust := strings.ReplaceAll(document("provisioner-trust"), "role/hub-provider-aws", "role/local-provider-aws")
	a.query(t, "iam", "2010-05-08", "CreatePolicy", "PolicyName", "sales-events-boundary-"+spoke, "PolicyDocument", document("boundary"))
	a.query(t, "iam", "2010-05-08", "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trust)
	a.query(t, "iam", "2010-05-08", "PutRolePolicy", "RoleName", role, "PolicyName", "provision", "PolicyDocument", document("provisioner"))
}

// inject replaces all faults; none for an empty one.
func (a *awsAccount) inject(t *testing.T, fault string) {
	t.Helper()
	method, body := http.MethodPut, `{"seed": 1, "faults": [`+fault+`]}`
	if fault == "" {
		method, body = http.MethodDelete, ""
	}
	request, err := http.NewRequestWithContext(t.Context(), method, a.faults, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a.do(t, request)
}

// emptyLogs deletes the log group that a control plane may have made anew as it ended.
func (a *awsAccount) emptyLogs(t *testing.T, spoke string) {
	t.Helper()
	a.try(t, a.json(t, "logs", "Logs_20140328.DeleteLogGroup", `{"logGroupName": "/aws/eks/`+spoke+`/cluster"}`))
}

// checkEmpty holds what AWS lists of a spoke against nothing.
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
	// Those that are deleted are shown for an hour.
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

// query calls an action of a service that speaks the query protocol, and returns the answer.
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

// request is one that the administrator signs.
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

// do is the answer to a request, which must succeed.
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
