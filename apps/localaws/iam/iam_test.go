package iam

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

const (
	account  = "000000000000"
	trustEKS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	readAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	boundary = "arn:aws:iam::" + account + ":policy/boundary"
)

// bench is an account with the policy "boundary", a stopped clock and the SDK's client.
type bench struct {
	*testing.T
	account *Account
	clock   *clock.Fake
	iam     *iam.Client
	guard   *servicetest.Guard
}

func newBench(t *testing.T, config Config) *bench {
	t.Helper()
	b := &bench{T: t, clock: clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), guard: &servicetest.Guard{}}
	config.Policies = append(config.Policies, ManagedPolicy{Name: "boundary", Document: []byte(readAll)})
	var err error
	b.account, err = NewAccount(account, config, b.clock)
	b.ok(err)
	listener := httptest.NewServer(signed(New(Options{Account: b.account, Guard: b.guard, Clock: b.clock, Faults: &fault.Faults{}})))
	t.Cleanup(listener.Close)
	b.iam = iam.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &listener.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	return b
}

// signed adds a caller to every request.
func signed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), access.Call{Caller: &access.Caller{}})))
	})
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) role(more ...func(*iam.CreateRoleInput)) (*types.Role, error) {
	in := &iam.CreateRoleInput{RoleName: aws.String("r"), Path: aws.String("/sales-events/"), AssumeRolePolicyDocument: aws.String(trustEKS)}
	for _, change := range more {
		change(in)
	}
	out, err := b.iam.CreateRole(b.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Role, nil
}

func TestRole(t *testing.T) {
	b := newBench(t, Config{})
	made, err := b.role(func(in *iam.CreateRoleInput) {
		in.Description, in.PermissionsBoundary, in.MaxSessionDuration = aws.String("d"), aws.String(boundary), aws.Int32(7200)
		in.Tags = []types.Tag{{Key: aws.String("cluster"), Value: aws.String("local")}}
	})
	b.ok(err)
	out, err := b.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("r")})
	b.ok(err)
	for what, r := range map[string]*types.Role{"made": made, "read": out.Role} {
		trust, err := url.PathUnescape(aws.ToString(r.AssumeRolePolicyDocument))
		got := fmt.Sprint(*r.Arn, *r.Path, *r.RoleName, *r.Description, *r.MaxSessionDuration, *r.PermissionsBoundary.PermissionsBoundaryArn, *r.Tags[0].Key, trust, r.CreateDate.Format(time.RFC3339))
		want := fmt.Sprint("arn:aws:iam::000000000000:role/sales-events/r", "/sales-events/", "r", "d", 7200, boundary, "cluster", trustEKS, "2026-01-01T00:00:00Z")
		if err != nil || got != want || !strings.HasPrefix(*r.RoleId, "AROA") || len(*r.RoleId) != 21 {
			t.Errorf("%s: %s (%s), want %s", what, got, *r.RoleId, want)
		}
	}
	_, err = b.role()
	servicetest.Fails[*types.EntityAlreadyExistsException](b, err)
	_, err = b.iam.UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: aws.String("r"), Description: aws.String("e")})
	b.ok(err)
	trustEC2 := strings.Replace(trustEKS, "eks", "ec2", 1)
	_, err = b.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: &trustEC2})
	b.ok(err)
	if err := b.account.Trusts(*made.Arn, "ec2.amazonaws.com"); err != nil {
		t.Errorf("the new trust: %v", err)
	}
	if err := b.account.Trusts(*made.Arn, "eks.amazonaws.com"); err == nil {
		t.Error("the old trust still holds")
	}
	_, err = b.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("r")})
	b.ok(err)
	_, err = b.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("r")})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
}

func TestRoleIsRefused(t *testing.T) {
	b := newBench(t, Config{})
	for name, test := range map[string]struct {
		change func(*iam.CreateRoleInput)
		code   string
	}{
		"name":     {func(in *iam.CreateRoleInput) { in.RoleName = aws.String("a b") }, "ValidationError"},
		"path":     {func(in *iam.CreateRoleInput) { in.Path = aws.String("sales") }, "ValidationError"},
		"trust":    {func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String("{}") }, "MalformedPolicyDocument"},
		"resource": {func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(readAll) }, "MalformedPolicyDocument"},
		"long": {func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(strings.Repeat("x", maxTrust+1))
		}, "LimitExceeded"},
		"boundary": {func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(boundary + "x") }, "NoSuchEntity"},
		"session":  {func(in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(3599) }, "ValidationError"},
		"tag": {func(in *iam.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}
		}, "InvalidInput"},
	} {
		_, err := b.role(test.change)
		if err == nil {
			t.Errorf("%s: made", name)
			continue
		}
		servicetest.Code(b, err, test.code)
	}
	if len(b.account.now.roles) > 0 {
		t.Errorf("refused, and there: %v", b.account.now.roles)
	}
}

func TestInlineAndAttachedPolicies(t *testing.T) {
	b := newBench(t, Config{})
	_, err := b.role()
	b.ok(err)
	name, inline := aws.String("r"), aws.String("grants")
	_, err = b.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: inline, PolicyDocument: aws.String(readAll)})
	b.ok(err)
	got, err := b.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: name, PolicyName: inline})
	b.ok(err)
	if text, err := url.PathUnescape(*got.PolicyDocument); err != nil || text != readAll {
		t.Errorf("document %s", text)
	}
	_, err = b.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: inline, PolicyDocument: aws.String(trustEKS)})
	servicetest.Fails[*types.MalformedPolicyDocumentException](b, err)
	_, err = b.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("big"), PolicyDocument: aws.String(strings.Repeat("x", maxInline))})
	servicetest.Fails[*types.LimitExceededException](b, err)
	managed := aws.String("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
	for range 2 {
		_, err = b.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: managed})
		b.ok(err)
	}
	_, err = b.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(*managed + "x")})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
	inlines, err := b.iam.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: name})
	b.ok(err)
	attached, err := b.iam.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: name})
	b.ok(err)
	if len(inlines.PolicyNames) != 1 || len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyName != "AmazonEKSClusterPolicy" {
		t.Errorf("inline %v, attached %v", inlines.PolicyNames, attached.AttachedPolicies)
	}
	remove := func() error {
		_, err := b.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: name})
		return err
	}
	servicetest.Fails[*types.DeleteConflictException](b, remove())
	_, err = b.iam.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: managed})
	b.ok(err)
	_, err = b.iam.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: managed})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
	servicetest.Fails[*types.DeleteConflictException](b, remove())
	_, err = b.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: inline})
	b.ok(err)
	_, err = b.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: name, PolicyName: inline})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
	profiles, err := b.iam.ListInstanceProfilesForRole(t.Context(), &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	b.ok(err)
	if len(profiles.InstanceProfiles) > 0 {
		t.Errorf("profiles %v", profiles.InstanceProfiles)
	}
	b.ok(remove())
}

func TestManagedPolicy(t *testing.T) {
	b := newBench(t, Config{})
	made, err := b.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(readAll)})
	b.ok(err)
	arn := made.Policy.Arn
	_, err = b.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(readAll)})
	servicetest.Fails[*types.EntityAlreadyExistsException](b, err)
	for range maxVersions - 1 {
		_, err = b.iam.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(readAll), SetAsDefault: true})
		b.ok(err)
	}
	_, err = b.iam.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(readAll)})
	servicetest.Fails[*types.LimitExceededException](b, err)
	_, err = b.role(func(in *iam.CreateRoleInput) { in.PermissionsBoundary = arn })
	b.ok(err)
	got, err := b.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: arn})
	b.ok(err)
	if *got.Policy.DefaultVersionId != "v5" || *got.Policy.PermissionsBoundaryUsageCount != 1 || *got.Policy.AttachmentCount != 0 {
		t.Errorf("policy %+v", got.Policy)
	}
	_, err = b.iam.DeletePolicyVersion(t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})
	servicetest.Fails[*types.DeleteConflictException](b, err)
	_, err = b.iam.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: arn})
	servicetest.Fails[*types.DeleteConflictException](b, err)
	_, err = b.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("r")})
	b.ok(err)
	for _, id := range []string{"v1", "v2", "v3", "v4"} {
		_, err = b.iam.DeletePolicyVersion(t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: &id})
		b.ok(err)
	}
	_, err = b.iam.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: arn})
	b.ok(err)
	_, err = b.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: arn})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
}

// The policies managed by AWS exist, and nobody can change them.
func TestAWSManagedPolicies(t *testing.T) {
	b := newBench(t, Config{})
	for arn := range awsManaged {
		got, err := b.iam.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: aws.String("v1")})
		b.ok(err)
		if text, err := url.PathUnescape(*got.PolicyVersion.Document); err != nil || !strings.Contains(text, `"2012-10-17"`) {
			t.Errorf("%s: %s", arn, text)
		}
		_, err = b.iam.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: &arn})
		servicetest.Code(b, err, "AccessDenied")
	}
}

func TestOpenIDConnectProvider(t *testing.T) {
	b := newBench(t, Config{})
	in := &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"), ClientIDList: []string{"sts.amazonaws.com"}}
	made, err := b.iam.CreateOpenIDConnectProvider(t.Context(), in)
	b.ok(err)
	if want := "arn:aws:iam::000000000000:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"; *made.OpenIDConnectProviderArn != want {
		t.Errorf("ARN %s, want %s", *made.OpenIDConnectProviderArn, want)
	}
	_, err = b.iam.CreateOpenIDConnectProvider(t.Context(), in)
	servicetest.Fails[*types.EntityAlreadyExistsException](b, err)
	_, err = b.iam.AddClientIDToOpenIDConnectProvider(t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("more")})
	b.ok(err)
	got, err := b.iam.GetOpenIDConnectProvider(t.Context(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
	b.ok(err)
	if *got.Url != "oidc.eks.eu-west-1.amazonaws.com/id/ABC" || strings.Join(got.ClientIDList, " ") != "sts.amazonaws.com more" || len(got.ThumbprintList) != 1 {
		t.Errorf("provider %+v", got)
	}
	for range 2 {
		_, err = b.iam.DeleteOpenIDConnectProvider(t.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
		b.ok(err)
	}
	_, err = b.iam.GetOpenIDConnectProvider(t.Context(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
	for _, url := range []string{"http://a", "https://", "https://a?b"} {
		_, err = b.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &url})
		servicetest.Fails[*types.InvalidInputException](b, err)
	}
}

// IAM itself sees a change at once. The other services see it once it has propagated.
func TestPropagation(t *testing.T) {
	b := newBench(t, Config{Propagation: "5s", Roles: []DeclaredRole{{Name: "declared", Trust: []byte(trustEKS)}}})
	if _, ok := b.account.Role("arn:aws:iam::000000000000:role/declared"); !ok {
		t.Error("what is declared is not there from the start")
	}
	made, err := b.role()
	b.ok(err)
	_, err = b.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: made.RoleName, PolicyName: aws.String("p"), PolicyDocument: aws.String(readAll)})
	b.ok(err)
	caller := &access.Caller{Role: *made.Arn}
	before := b.account.Generation()
	b.clock.Advance(4999 * time.Millisecond)
	if _, ok := b.account.Role(*made.Arn); ok || b.account.Generation() != before || b.account.Principal(caller).Policies != nil {
		t.Error("seen too early")
	}
	b.clock.Advance(time.Millisecond)
	if _, ok := b.account.Role(*made.Arn); !ok || b.account.Generation() == before || len(b.account.Principal(caller).Policies) != 1 {
		t.Error("not seen in time")
	}
}

// Each call is checked on its resource, with the condition keys that policies may
// compare.
func TestWhatIsChecked(t *testing.T) {
	b := newBench(t, Config{})
	_, err := b.role(func(in *iam.CreateRoleInput) {
		in.PermissionsBoundary, in.Tags = aws.String(boundary), []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	})
	b.ok(err)
	name := aws.String("r")
	_, err = b.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(boundary)})
	b.ok(err)
	_, err = b.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("absent")})
	servicetest.Fails[*types.NoSuchEntityException](b, err)
	role := "arn:aws:iam::000000000000:role/sales-events/r"
	asked := b.guard.Since()
	for i, want := range []access.Check{
		{Action: "iam:CreateRole", Resource: role, Context: map[string][]string{"iam:PermissionsBoundary": {boundary}, "aws:RequestTag/k": {"v"}, "aws:TagKeys": {"k"}}},
		{Action: "iam:TagRole", Resource: role, Context: map[string][]string{"iam:PermissionsBoundary": {boundary}, "aws:RequestTag/k": {"v"}, "aws:TagKeys": {"k"}}},
		{Action: "iam:AttachRolePolicy", Resource: role, Context: map[string][]string{
			"iam:PermissionsBoundary": {boundary}, "iam:PolicyARN": {boundary}, "aws:ResourceTag/k": {"v"}, "iam:ResourceTag/k": {"v"},
		}},
		{Action: "iam:GetRole", Resource: "arn:aws:iam::000000000000:role/absent", Context: map[string][]string{}},
	} {
		if i >= len(asked) || fmt.Sprint(asked[i]) != fmt.Sprint(want) {
			t.Errorf("check %d: %v, want %v", i, asked, want)
		}
	}
}

// An error of the configuration names the field.
func TestConfigProblems(t *testing.T) {
	_, err := NewAccount(account, Config{
		Propagation: "soon",
		Policies:    []ManagedPolicy{{Name: "p", Document: []byte(`"{}"`)}},
		Roles: []DeclaredRole{
			{Name: "r", Trust: []byte(trustEKS), Policies: map[string]json.RawMessage{"x": []byte(trustEKS)}},
			{Name: "s", Trust: []byte(trustEKS), Attached: []string{boundary}},
			{Name: "t"},
			{Name: "u", Trust: []byte(trustEKS), PermissionsBoundary: boundary},
		},
		Providers: []DeclaredIssuer{{URL: "http://a"}},
	}, clock.System{})
	for _, want := range []string{"iam.propagation", "iam.policies[0]", "iam.roles[0]: policies.x", "iam.roles[1]: attached", "iam.roles[2]: trust", "iam.roles[3]: permissionsBoundary", "iam.providers[0]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
}
