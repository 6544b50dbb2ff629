package function

import (
	"fmt"
	"strings"

	"github.com/crossplane/function-sdk-go/resource"
)

// podLogsAddon installs the CloudWatch agent and Fluent Bit on every node, with the
// ServiceAccount agentAccount:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html
const podLogsAddon = "amazon-cloudwatch-observability"

var agentAccount = serviceAccount{Namespace: "amazon-cloudwatch", Name: "cloudwatch-agent"}

// podLogGroups are the log groups that the add-on writes to, below
// /aws/containerinsights/<cluster>/. If the add-on created them itself, they would keep
// their logs forever.
var podLogGroups = []string{"application", "dataplane", "host", "performance"}

// addPodLogs stores containers' logs in CloudWatch. Otherwise they are lost with the pod
// or its node.
func (e eksComposer) addPodLogs() error {
	if e.PodLogs == nil {
		return nil
	}
	for _, name := range podLogGroups {
		group := fmt.Sprintf("/aws/containerinsights/%s/%s", e.ClusterName, name)
		if err := e.part("pod-logs-"+name, "pods-"+name, group, logGroup{e.Region, e.PodLogs.RetentionDays, e.tags()}); err != nil {
			return err
		}
	}
	issuer := strings.TrimPrefix(e.observedString("cluster", issuerPath), "https://")
	if issuer == "" {
		e.wait(fmt.Sprintf("Cluster %s has not reported its OIDC issuer", e.ClusterName), "logs-role", "addon-"+podLogsAddon)
		return nil
	}
	if err := e.addRole("logs", "The CloudWatch agent of "+e.ClusterName, trust(e.AccountID, issuer, agentAccount)); err != nil {
		return err
	}
	if e.after("logs-role", "logs-grants") {
		if err := e.part("logs-grants", "logs", "logs", rolePolicy{Role: e.name("logs"), Policy: document(e.agentMay()...)}); err != nil {
			return err
		}
	}
	const id = "addon-" + podLogsAddon
	if !e.after("logs-grants", id) || !e.after("oidc-provider", id) {
		return nil
	}
	err := e.part(id, podLogsAddon, "", addon{
		Region: e.Region, ClusterName: e.ClusterName,
		AddonName: podLogsAddon, AddonVersion: e.AddonVersions[podLogsAddon], ServiceAccountRoleARN: e.roleARN("logs"),
		ResolveConflictsOnCreate: "OVERWRITE", ResolveConflictsOnUpdate: "OVERWRITE", Tags: e.tags(),
	})
	if err != nil {
		return err
	}
	// An agent that still ran would create the group again.
	kept := []resource.Name{"logs-role", "logs-grants"}
	for _, name := range podLogGroups {
		kept = append(kept, resource.Name("pod-logs-"+name))
	}
	e.keepFor(id, kept...)
	return nil
}

// agentMay returns the agent's permissions. They are narrower than AWS's own policy for
// it, CloudWatchAgentServerPolicy, which covers all log groups and metrics of the
// account.
func (e eksComposer) agentMay() []statement {
	return []statement{
		{
			Effect: "Allow", Action: []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resource: []string{fmt.Sprintf("arn:aws:logs:%s:%s:log-group:/aws/containerinsights/%s/*", e.Region, e.AccountID, e.ClusterName)},
		},
		{
			Effect: "Allow", Action: []string{"cloudwatch:PutMetricData"}, Resource: []string{"*"},
			Condition: condition{"StringEquals": {"cloudwatch:namespace": "ContainerInsights"}},
		},
	}
}
