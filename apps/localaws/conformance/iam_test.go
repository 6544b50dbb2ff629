package conformance

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	trustEC2   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	readObject = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::conformance-none/*"}]}`
	clusterARN = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
	tokens     = "sts.amazonaws.com"
)

// role creates a role and deletes it at the end of the case.
func (c *check) role(trust string) *types.Role {
	c.Helper()
	name := newName()
	out, err := c.iam.CreateRole(c.ctx, &iam.CreateRoleInput{
		RoleName: &name, Path: aws.String("/conformance/"), Description: aws.String("a test"), AssumeRolePolicyDocument: &trust,
		Tags: []types.Tag{{Key: aws.String("made-by"), Value: aws.String("conformance")}},
	})
	c.ok(err)
	c.Cleanup(func() { c.endRole(name) })
	return out.Role
}

func (c *check) endRole(name string) {
	ctx := context.WithoutCancel(c.ctx)
	if inline, err := c.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &name}); err == nil {
		for _, policy := range inline.PolicyNames {
			_, _ = c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy})
		}
	}
	if attached, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name}); err == nil {
		for _, policy := range attached.AttachedPolicies {
			_, _ = c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: policy.PolicyArn})
		}
	}
	_, _ = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
}

func (c *check) deleteRole(name *string) error {
	_, err := c.iam.DeleteRole(c.ctx, &iam.DeleteRoleInput{RoleName: name})
	return err
}

func decoded(c *check, document *string) string {
	text, err := url.PathUnescape(aws.ToString(document))
	c.ok(err)
	return text
}

var iamCases = []conformanceCase{
	{"CreateRole", "creates a role that GetRole returns; a second role with its name is refused", func(c *check) {
		made := c.role(trustEC2)
		got, err := c.iam.GetRole(c.ctx, &iam.GetRoleInput{RoleName: made.RoleName})
		c.ok(err)
		equal(c, "ARN", *got.Role.Arn, *made.Arn)
		equal(c, "path", *got.Role.Path, "/conformance/")
		equal(c, "description", *got.Role.Description, "a test")
		equal(c, "trust", decoded(c, got.Role.AssumeRolePolicyDocument), trustEC2)
		equal(c, "session", aws.ToInt32(got.Role.MaxSessionDuration), 3600)
		equal(c, "tags", len(got.Role.Tags), 1)
		_, err = c.iam.CreateRole(c.ctx, &iam.CreateRoleInput{RoleName: made.RoleName, AssumeRolePolicyDocument: aws.String(trustEC2)})
		c.code(err, "EntityAlreadyExists")
	}},
	{"CreateRole", "refuses an invalid trust policy, and a boundary that does not exist", func(c *check) {
		in := &iam.CreateRoleInput{RoleName: aws.String(newName()), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17"}`)}
		_, err := c.iam.CreateRole(c.ctx, in)
		c.code(err, "MalformedPolicyDocument")
		in.AssumeRolePolicyDocument, in.PermissionsBoundary = aws.String(trustEC2), aws.String("arn:aws:iam::aws:policy/NoSuchPolicyAtAll")
		_, err = c.iam.CreateRole(c.ctx, in)
		c.code(err, "NoSuchEntity")
	}},
	{"DeleteRole", "refuses a role with policies; a role that does not exist is an error", func(c *check) {
		r := c.role(trustEC2)
		_, err := c.iam.PutRolePolicy(c.ctx, &iam.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p"), PolicyDocument: aws.String(readObject)})
		c.ok(err)
		c.code(c.deleteRole(r.RoleName), "DeleteConflict")
		_, err = c.iam.DeleteRolePolicy(c.ctx, &iam.DeleteRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p")})
		c.ok(err)
		c.ok(c.deleteRole(r.RoleName))
		c.code(c.deleteRole(r.RoleName), "NoSuchEntity")
		_, err = c.iam.GetRole(c.ctx, &iam.GetRoleInput{RoleName: r.RoleName})
		c.code(err, "NoSuchEntity")
	}},
	{"PutRolePolicy", "a policy is returned unchanged, and replaces the one with its name", func(c *check) {
		r := c.role(trustEC2)
		for _, text := range []string{readObject, strings.Replace(readObject, "GetObject", "PutObject", 1)} {
			_, err := c.iam.PutRolePolicy(c.ctx, &iam.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p"), PolicyDocument: &text})
			c.ok(err)
			got, err := c.iam.GetRolePolicy(c.ctx, &iam.GetRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p")})
			c.ok(err)
			equal(c, "document", decoded(c, got.PolicyDocument), text)
		}
		_, err := c.iam.PutRolePolicy(c.ctx, &iam.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("q"), PolicyDocument: aws.String(trustEC2)})
		c.code(err, "MalformedPolicyDocument")
		names, err := c.iam.ListRolePolicies(c.ctx, &iam.ListRolePoliciesInput{RoleName: r.RoleName})
		c.ok(err)
		equal(c, "policies", strings.Join(names.PolicyNames, " "), "p")
	}},
	{"AttachRolePolicy", "attaches a managed policy once; a repeated detachment is an error", func(c *check) {
		r := c.role(trustEC2)
		for range 2 {
			_, err := c.iam.AttachRolePolicy(c.ctx, &iam.AttachRolePolicyInput{RoleName: r.RoleName, PolicyArn: aws.String(clusterARN)})
			c.ok(err)
		}
		attached, err := c.iam.ListAttachedRolePolicies(c.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: r.RoleName})
		c.ok(err)
		equal(c, "attached", len(attached.AttachedPolicies), 1)
		c.code(c.deleteRole(r.RoleName), "DeleteConflict")
		_, err = c.iam.DetachRolePolicy(c.ctx, &iam.DetachRolePolicyInput{RoleName: r.RoleName, PolicyArn: aws.String(clusterARN)})
		c.ok(err)
		_, err = c.iam.DetachRolePolicy(c.ctx, &iam.DetachRolePolicyInput{RoleName: r.RoleName, PolicyArn: aws.String(clusterARN)})
		c.code(err, "NoSuchEntity")
		_, err = c.iam.AttachRolePolicy(c.ctx, &iam.AttachRolePolicyInput{RoleName: r.RoleName, PolicyArn: aws.String(clusterARN + "Nope")})
		c.code(err, "NoSuchEntity")
	}},
	{"CreatePolicy", "creates a policy with versions; an attached policy is not deleted", func(c *check) {
		made, err := c.iam.CreatePolicy(c.ctx, &iam.CreatePolicyInput{PolicyName: aws.String(newName()), PolicyDocument: aws.String(readObject)})
		c.ok(err)
		arn := made.Policy.Arn
		c.Cleanup(func() {
			ctx := context.WithoutCancel(c.ctx)
			_, _ = c.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
			_, _ = c.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
		})
		second, err := c.iam.CreatePolicyVersion(c.ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(readObject), SetAsDefault: true})
		c.ok(err)
		equal(c, "version", *second.PolicyVersion.VersionId, "v2")
		got, err := c.iam.GetPolicy(c.ctx, &iam.GetPolicyInput{PolicyArn: arn})
		c.ok(err)
		equal(c, "default", *got.Policy.DefaultVersionId, "v2")
		_, err = c.iam.DeletePolicyVersion(c.ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")})
		c.code(err, "DeleteConflict")
		_, err = c.iam.DeletePolicy(c.ctx, &iam.DeletePolicyInput{PolicyArn: arn})
		c.code(err, "DeleteConflict")
	}},
	{"CreateOpenIDConnectProvider", "a provider is found by the ARN of its URL; a second one is refused; a repeated deletion succeeds", func(c *check) {
		host := "oidc.eks." + *region + ".amazonaws.com/id/" + strings.ToUpper(strings.ReplaceAll(newName(), "-", ""))
		in := &iam.CreateOpenIDConnectProviderInput{
			Url: aws.String("https://" + host), ClientIDList: []string{tokens}, ThumbprintList: []string{strings.Repeat("a", 40)},
		}
		made, err := c.iam.CreateOpenIDConnectProvider(c.ctx, in)
		c.ok(err)
		remove := func() error {
			_, err := c.iam.DeleteOpenIDConnectProvider(context.WithoutCancel(c.ctx), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
			return err
		}
		c.Cleanup(func() { _ = remove() })
		equal(c, "ARN", strings.HasSuffix(*made.OpenIDConnectProviderArn, ":oidc-provider/"+host), true)
		got, err := c.iam.GetOpenIDConnectProvider(c.ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
		c.ok(err)
		equal(c, "URL", *got.Url, host)
		equal(c, "clients", strings.Join(got.ClientIDList, " "), tokens)
		_, err = c.iam.CreateOpenIDConnectProvider(c.ctx, in)
		c.code(err, "EntityAlreadyExists")
		c.ok(remove())
		c.ok(remove())
	}},
	{"GetCallerIdentity", "returns the account and the caller", func(c *check) {
		out, err := c.sts.GetCallerIdentity(c.ctx, &sts.GetCallerIdentityInput{})
		c.ok(err)
		equal(c, "ARN of the account", strings.Contains(*out.Arn, ":"+*out.Account+":"), true)
	}},
	{"AssumeRole", "returns credentials of the role", func(c *check) {
		me, err := c.sts.GetCallerIdentity(c.ctx, &sts.GetCallerIdentityInput{})
		c.ok(err)
		r := c.role(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + *me.Account + `"},"Action":"sts:AssumeRole"}]}`)
		var out *sts.AssumeRoleOutput
		c.eventually("taken", func() string { // IAM is eventually consistent
			var err error
			if out, err = c.sts.AssumeRole(c.ctx, &sts.AssumeRoleInput{RoleArn: r.Arn, RoleSessionName: aws.String("conformance")}); err != nil {
				return err.Error()
			}
			return "taken"
		})
		if out == nil {
			return
		}
		session := credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
		identity, err := c.sts.GetCallerIdentity(c.ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Credentials = session })
		c.ok(err)
		equal(c, "who calls", *identity.Arn, *out.AssumedRoleUser.Arn)
	}},
	{"AssumeRole", "refuses a role that does not exist, and one that does not trust the caller", func(c *check) {
		r := c.role(trustEC2)
		for _, arn := range []string{*r.Arn, *r.Arn + "x"} {
			_, err := c.sts.AssumeRole(c.ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("conformance")})
			c.code(err, "AccessDenied")
		}
	}},
	{"AssumeRoleWithWebIdentity", "refuses text that is not a token", func(c *check) {
		r := c.role(trustEC2)
		_, err := c.sts.AssumeRoleWithWebIdentity(c.ctx, &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: r.Arn, RoleSessionName: aws.String("conformance"), WebIdentityToken: aws.String("a.b.c"),
		})
		c.code(err, "InvalidIdentityToken")
	}},
}
