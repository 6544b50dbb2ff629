package function

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// workloadRole is the spec of a WorkloadRole: see its definition.
type workloadRole struct {
	placement

	PermissionsBoundary string         `json:"permissionsBoundary"`
	OIDCIssuer          string         `json:"oidcIssuer"`
	ServiceAccount      serviceAccount `json:"serviceAccount"`
	Grants              []grant        `json:"grants"`
}

type serviceAccount struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

type grant struct {
	EventQueue  string `json:"eventQueue"`
	EventBucket string `json:"eventBucket"`
	Access      string `json:"access"`
	Prefix      string `json:"prefix"`
}

// composeWorkloadRole composes a role, and after it the role's policy. The trust policy
// waits for the cluster's OIDC issuer, unless the spec has it.
func composeWorkloadRole(c *composition) error {
	var spec workloadRole
	if err := c.spec(&spec); err != nil {
		return err
	}
	name, err := names.ForRole(spec.ClusterName, c.xr.GetName())
	if err != nil {
		return named(err)
	}
	statements, err := spec.statements()
	if err != nil {
		return err
	}
	issuer := spec.OIDCIssuer
	if issuer == "" {
		cluster := c.require("cluster", schema.GroupVersionKind{Group: Group, Version: Version, Kind: "EKSCluster"}, spec.ClusterName)
		issuer = issuerOf(cluster)
	}
	if issuer == "" {
		c.wait(fmt.Sprintf("EKSCluster %s/%s has not reported status.oidcIssuer", c.xr.GetNamespace(), spec.ClusterName), "role", "policy")
		c.reportRole()
		return nil
	}
	err = c.add("role", name, name, spec.ProviderConfigName, role{
		Path: names.RolePath,
		Description: fmt.Sprintf("Pods of ServiceAccount %s/%s on cluster %s",
			spec.ServiceAccount.Namespace, spec.ServiceAccount.Name, spec.ClusterName),
		AssumeRolePolicy:    document(trust(spec.AccountID, issuer, spec.ServiceAccount)),
		PermissionsBoundary: fmt.Sprintf("arn:aws:iam::%s:policy/%s", spec.AccountID, spec.PermissionsBoundary),
		Tags:                spec.tags(),
	})
	if err != nil {
		return err
	}
	if c.after("role", "policy") {
		if err := c.add("policy", name, "grants", spec.ProviderConfigName, rolePolicy{Role: name, Policy: document(statements...)}); err != nil {
			return err
		}
	}
	c.reportRole()
	return nil
}

func (c *composition) reportRole() {
	c.report("roleName", "role", "status.atProvider.id")
	c.report("roleARN", "role", "status.atProvider.arn")
}

// issuerOf returns the host and path of a cluster's OIDC issuer, in the form of IAM;
// empty if there is no such cluster or it has none yet.
func issuerOf(cluster *unstructured.Unstructured) string {
	if cluster == nil {
		return ""
	}
	url, _, _ := unstructured.NestedString(cluster.Object, "status", "oidcIssuer")
	return strings.TrimPrefix(url, "https://")
}

// trust allows only the pods of one ServiceAccount to assume the role.
func trust(account, issuer string, of serviceAccount) statement {
	return statement{
		Effect:    "Allow",
		Principal: map[string]string{"Federated": fmt.Sprintf("arn:aws:iam::%s:oidc-provider/%s", account, issuer)},
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: condition{"StringEquals": {
			issuer + ":sub": fmt.Sprintf("system:serviceaccount:%s:%s", of.Namespace, of.Name),
			issuer + ":aud": "sts.amazonaws.com",
		}},
	}
}

func (w workloadRole) statements() ([]statement, error) {
	var all []statement
	for i, g := range w.Grants {
		statements, err := w.allow(g)
		if err != nil {
			return nil, fmt.Errorf("spec.grants[%d]: %w", i, err)
		}
		all = append(all, statements...)
	}
	return all, nil
}

// allow turns a grant into statements for the calls of its access, each on its exact ARN.
func (w workloadRole) allow(g grant) ([]statement, error) {
	var statements []statement
	for _, p := range Permissions(g.Access) {
		arn, err := w.arn(g, p.On)
		if err != nil {
			return nil, err
		}
		if last := len(statements) - 1; last >= 0 && statements[last].Resource[0] == arn {
			statements[last].Action = append(statements[last].Action, p.Action)
			continue
		}
		statements = append(statements, statement{Effect: "Allow", Action: []string{p.Action}, Resource: []string{arn}})
	}
	if len(statements) == 0 {
		return nil, fmt.Errorf("access: %q is none of Send, Consume, ReadDepth and Write", g.Access)
	}
	return statements, nil
}

func (w workloadRole) arn(g grant, on Target) (string, error) {
	if on == Objects {
		name, err := names.ForBucket(w.ClusterName, w.AccountID, g.EventBucket)
		if err != nil {
			return "", fmt.Errorf("eventBucket: %w", err)
		}
		return bucketARN(name) + "/" + g.Prefix + "/*", nil
	}
	name, err := names.ForQueue(w.ClusterName, g.EventQueue)
	if err != nil {
		return "", fmt.Errorf("eventQueue: %w", err)
	}
	if on == DeadLetterQueue {
		return w.queueARN(name.DeadLetters), nil
	}
	return w.queueARN(name.Source), nil
}
