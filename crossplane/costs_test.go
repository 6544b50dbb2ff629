package crossplane_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// prices is the content of docs/aws/prices.yaml.
type prices struct {
	Checked string
	VCPUs   map[string]int64
	Regions map[string]regionPrices
}

type regionPrices struct {
	ControlPlaneHour, NATGatewayHour, NATGatewayGB, PublicAddressHour, EndpointZoneHour, EndpointGB float64
	DiskGBMonth, AlarmMonth, LogGB, SQSMillionRequests, S3ThousandPuts, S3GBMonth                   float64
	InstanceHour                                                                                    map[string]float64
}

func readPrices(t *testing.T) prices {
	t.Helper()
	var p prices
	readDoc(t, "prices.yaml", &p)
	return p
}

const hoursOfMonth = 730

// The items of a bill at rest, in the order of the table.
const (
	controlPlane = "control plane"
	instances    = "instances"
	disks        = "their disks"
	natGateways  = "NAT gateways"
	addresses    = "public addresses"
	endpoints    = "interface endpoint"
	alarms       = "alarms"
)

var items = []string{controlPlane, instances, disks, natGateways, addresses, endpoints, alarms}

// free are the kinds that cost nothing while they are not used.
var free = []string{
	"AccessEntry", "AccessPolicyAssociation", "Addon", "Bucket", "BucketLifecycleConfiguration", "BucketOwnershipControls",
	"BucketPolicy", "BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning", "InternetGateway",
	"FlowLog", "Group", "LaunchTemplate", "OpenIDConnectProvider", "Queue", "Role", "RolePolicy", "RolePolicyAttachment", "Route", "RouteTable",
	"RouteTableAssociation", "SecurityGroup", "SecurityGroupIngressRule", "Subnet", "Topic", "TopicSubscription", "Usage", "VPC",
	"VPCEndpointRouteTableAssociation", "VPCEndpointSecurityGroupAssociation",
}

// atRest returns the cost of composed resources for a month, by item.
func atRest(t *testing.T, objects []*unstructured.Unstructured, price regionPrices) map[string]float64 {
	t.Helper()
	bill := map[string]float64{}
	for _, object := range objects {
		switch kind := object.GetKind(); kind {
		case "Cluster":
			bill[controlPlane] += hoursOfMonth * price.ControlPlaneHour
		case "NodeGroup":
			hour, known := price.InstanceHour[instanceTypeOf(t, object)]
			if !known {
				t.Fatalf("docs/aws/prices.yaml has no price of %s in this region", instanceTypeOf(t, object))
			}
			bill[instances] += hoursOfMonth * hour * float64(desiredSizeOf(t, object))
			bill[disks] += price.DiskGBMonth * float64(desiredSizeOf(t, object)*diskSizeIn(t, objects))
		case "NATGateway":
			bill[natGateways] += hoursOfMonth * price.NATGatewayHour
		case "EIP":
			bill[addresses] += hoursOfMonth * price.PublicAddressHour
		case "VPCEndpoint": // by subnet; a gateway endpoint is free
		case "VPCEndpointSubnetAssociation":
			bill[endpoints] += hoursOfMonth * price.EndpointZoneHour
		case "MetricAlarm":
			bill[alarms] += price.AlarmMonth
		default:
			if !slices.Contains(free, kind) {
				t.Errorf("%s is composed: say what it costs", kind)
			}
		}
	}
	return bill
}

// diskSizeIn returns the disk size in the launch template.
func diskSizeIn(t *testing.T, objects []*unstructured.Unstructured) int64 {
	t.Helper()
	i := slices.IndexFunc(objects, func(object *unstructured.Unstructured) bool { return object.GetKind() == "LaunchTemplate" })
	devices, _, _ := unstructured.NestedSlice(objects[i].Object, "spec", "forProvider", "blockDeviceMappings")
	device, _ := devices[0].(map[string]any)
	switch size := device["ebs"].(map[string]any)["volumeSize"].(type) {
	case int64:
		return size
	case float64:
		return int64(size)
	default:
		t.Fatalf("the launch template has no disk: %v", devices)
		return 0
	}
}

// hubAtRest returns the cost of the hub in docs/aws/hub.yaml for a month, by item.
func hubAtRest(t *testing.T, price regionPrices) map[string]float64 {
	t.Helper()
	group := readHub(t).ManagedNodeGroups[0]
	hour, known := price.InstanceHour[group.InstanceType]
	if !known {
		t.Fatalf("docs/aws/prices.yaml has no price of %s in the hub's region", group.InstanceType)
	}
	return map[string]float64{
		controlPlane: hoursOfMonth * price.ControlPlaneHour,
		instances:    hoursOfMonth * hour * float64(group.DesiredCapacity),
		disks:        price.DiskGBMonth * float64(group.DesiredCapacity*group.VolumeSize),
		natGateways:  hoursOfMonth * price.NATGatewayHour,
		addresses:    hoursOfMonth * price.PublicAddressHour,
	}
}

// docs/aws.md has the costs of a month at rest, and of a million events.
func TestCosts(t *testing.T) {
	all := readPrices(t)
	bills := map[string]map[string]float64{"hub": hubAtRest(t, all.Regions[factsOf(t, "hub")["AWS_REGION"]])}
	for _, environment := range environments {
		bills[environment] = atRest(t, composedIn(t, environment), all.Regions[factsOf(t, environment)["AWS_REGION"]])
	}
	columns := append([]string{"hub"}, environments...)
	var table strings.Builder
	fmt.Fprintf(&table, "| US dollars a month, prices of %s | %s |\n|---|%s\n", all.Checked, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	row := func(name string, of func(string) float64) {
		fmt.Fprintf(&table, "| %s |", name)
		for _, column := range columns {
			fmt.Fprintf(&table, " %s |", dollars(of(column)))
		}
		table.WriteString("\n")
	}
	for _, item := range items {
		row(item, func(column string) float64 { return bills[column][item] })
	}
	row("**at rest**", func(column string) float64 {
		var sum float64
		for _, cost := range bills[column] {
			sum += cost
		}
		return sum
	})
	row("a million events", func(column string) float64 {
		if column == "hub" {
			return 0
		}
		return millionEvents(all.Regions[factsOf(t, column)["AWS_REGION"]], bills[column][endpoints] > 0)
	})
	checkTable(t, "costs", table.String())
}

// millionEvents returns the most that a million events cost: each is sent, received and
// deleted in a call of its own, and stored in an object of its own for a month. The
// traffic to SQS, some 3 kB an event, goes through NAT or through the endpoint.
func millionEvents(price regionPrices, endpoint bool) float64 {
	const calls, gigabytesToSQS, gigabytesStored = 3, 3, 1
	way := price.NATGatewayGB
	if endpoint {
		way = price.EndpointGB
	}
	return calls*price.SQSMillionRequests + 1000*price.S3ThousandPuts + gigabytesToSQS*way + gigabytesStored*price.S3GBMonth
}

func dollars(amount float64) string {
	switch {
	case amount == 0:
		return ""
	case amount < 10:
		return fmt.Sprintf("%.1f", amount)
	default:
		return fmt.Sprintf("%.0f", amount)
	}
}

// hub has the fields of docs/aws/hub.yaml that the tests read.
type hub struct {
	Metadata struct{ Name, Region, Version string }
	IAM      struct{ WithOIDC bool }
	VPC      struct {
		PublicAccessCIDRs []string
		NAT               struct{ Gateway string }
	}
	AccessConfig struct{ AuthenticationMode string }
	CloudWatch   struct {
		ClusterLogging struct {
			EnableTypes        []string
			LogRetentionInDays int
		}
	}
	Addons            []struct{ Name, ConfigurationValues string }
	ManagedNodeGroups []struct {
		InstanceType                                       string
		DesiredCapacity, VolumeSize                        int64
		PrivateNetworking, DisablePodIMDS, VolumeEncrypted bool
	}
}

func readHub(t *testing.T) hub {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "aws", "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var h hub
	if err := yaml.Unmarshal(data, &h); err != nil {
		t.Fatal(err)
	}
	if len(h.ManagedNodeGroups) != 1 {
		t.Fatalf("docs/aws/hub.yaml has %d groups of nodes, want one", len(h.ManagedNodeGroups))
	}
	return h
}

// The hub's access is narrower than that of its spokes: only its operators reach its API,
// its pods cannot use the node's role, its policies are enforced, and its API calls are
// logged.
func TestHub(t *testing.T) {
	h := readHub(t)
	group := h.ManagedNodeGroups[0]
	for what, holds := range map[string]bool{
		"its name is that of its facts":         h.Metadata.Name == factsOf(t, "hub")["CLUSTER_NAME"],
		"its version is the platform's default": h.Metadata.Version == defaultVersion(t),
		"ServiceAccounts can have roles":        h.IAM.WithOIDC,
		"access is by access entries":           h.AccessConfig.AuthenticationMode == "API",
		"its API is for operators":              slices.Equal(h.VPC.PublicAccessCIDRs, []string{"${OPERATOR_CIDR}"}),
		"it leaves by one address":              h.VPC.NAT.Gateway == "Single",
		"its control plane logs":                slices.Contains(h.CloudWatch.ClusterLogging.EnableTypes, "audit"),
		"logs end":                              h.CloudWatch.ClusterLogging.LogRetentionInDays > 0,
		"nodes have no public address":          group.PrivateNetworking,
		"pods do not reach their node's role":   group.DisablePodIMDS,
		"disks are encrypted":                   group.VolumeEncrypted,
		"NetworkPolicies are enforced by the CNI": slices.ContainsFunc(h.Addons, func(a struct{ Name, ConfigurationValues string }) bool {
			return a.Name == "vpc-cni" && strings.Contains(a.ConfigurationValues, `"enableNetworkPolicy":"true"`)
		}),
	} {
		if !holds {
			t.Errorf("docs/aws/hub.yaml: not so: %s", what)
		}
	}
	page, err := os.ReadFile(awsPage)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "envsubst <docs/aws/hub.yaml | eksctl create cluster -f -\n") {
		t.Error("docs/aws.md does not make the hub of docs/aws/hub.yaml")
	}
}
