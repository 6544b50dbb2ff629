package function

import "k8s.io/apimachinery/pkg/runtime/schema"

func iam(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "iam.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// role is an IAM role; its name is the external name.
type role struct {
	Description         string            `json:"description"`
	AssumeRolePolicy    string            `json:"assumeRolePolicy"`
	PermissionsBoundary string            `json:"permissionsBoundary"`
	Tags                map[string]string `json:"tags"`
}

func (role) kind() schema.GroupVersionKind { return iam("Role") }

// rolePolicy is a policy within a role; its name is the external name.
type rolePolicy struct {
	Role   string `json:"role"`
	Policy string `json:"policy"`
}

func (rolePolicy) kind() schema.GroupVersionKind { return iam("RolePolicy") }

// rolePolicyAttachment attaches a managed policy of AWS to a role.
type rolePolicyAttachment struct {
	Role      string `json:"role"`
	PolicyARN string `json:"policyArn"`
}

func (rolePolicyAttachment) kind() schema.GroupVersionKind { return iam("RolePolicyAttachment") }

// openIDConnectProvider has IAM believe the tokens of a cluster.
type openIDConnectProvider struct {
	URL          string            `json:"url"`
	ClientIDList []string          `json:"clientIdList"`
	Tags         map[string]string `json:"tags"`
}

func (openIDConnectProvider) kind() schema.GroupVersionKind { return iam("OpenIDConnectProvider") }
