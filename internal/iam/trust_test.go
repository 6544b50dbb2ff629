package iam

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	issuer   = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
	stranger = "oidc.eks.eu-central-1.amazonaws.com/id/ANOTHER"
	claim    = "system:serviceaccount:sales-events:consumer"
)

var (
	consumer = Subject{Issuer: "https://" + issuer, Account: "111122223333", Namespace: "sales-events", ServiceAccount: "consumer"}
	unknown  = Subject{Namespace: "sales-events", ServiceAccount: "consumer"}
)

// trusting returns a statement for the issuer's provider with conditions; ISS in them
// stands for the issuer.
func trusting(conditions string) string {
	return trustingProvider("arn:aws:iam::111122223333:oidc-provider/"+issuer, conditions)
}

func trustingProvider(arn, conditions string) string {
	conditions = strings.ReplaceAll(conditions, "ISS", issuer)
	return `"Principal": {"Federated": "` + arn + `"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {` + conditions + `}`
}

const exact = `"StringEquals": {"ISS:sub": "` + claim + `", "ISS:aud": "sts.amazonaws.com"}`

func TestTrusts(t *testing.T) {
	const aud = `"StringEquals": {"ISS:aud": "sts.amazonaws.com"}`
	sub := func(values string) string {
		return trusting(`"StringEquals": {"ISS:sub": ` + values + `, "ISS:aud": "sts.amazonaws.com"}`)
	}
	at := func(kind DefectKind, path string) string { return string(kind) + " " + path }
	condition := func(operator, claim string) string {
		return fmt.Sprintf("Statement[0].Condition.%s[%q]", operator, issuer+":"+claim)
	}
	for _, tc := range []struct {
		name       string
		subject    Subject // the zero value means consumer
		statements []string
		want       Outcome
		defects    []string
		message    string
	}{
		{name: "exact", statements: []string{trusting(exact)}, want: Allowed},
		{name: "exact, issuer and account not known", subject: unknown, statements: []string{trusting(exact)}, want: Allowed},
		{name: "exact in StringLike", statements: []string{trusting(strings.Replace(exact, "StringEquals", "StringLike", 1))}, want: Allowed},
		{name: "keys in another case", statements: []string{trusting(strings.Replace(exact, "ISS:sub", "ISS:SUB", 1))}, want: Allowed},
		{name: "a pattern next to the exact subject", statements: []string{trusting(exact + `, "StringLike": {"ISS:sub": "system:serviceaccount:*"}`)}, want: Allowed},
		{name: "narrower by another condition", statements: []string{trusting(exact + `, "StringEqualsIfExists": {"aws:RequestedRegion": "eu-central-1"}`)}, want: Allowed},

		{name: "another service account", statements: []string{sub(`"system:serviceaccount:sales-events:producer"`)}, want: NotAllowed, defects: []string{at(DefectSubject, condition("StringEquals", "sub"))}, message: `sub is "system:serviceaccount:sales-events:producer", the pods are "` + claim + `"`},
		{name: "wildcard under StringEquals", statements: []string{sub(`"system:serviceaccount:sales-events:*"`)}, want: NotAllowed, defects: []string{at(DefectWildcard, condition("StringEquals", "sub"))}, message: "takes the wildcard in"},
		{name: "wildcard under StringEquals beside the subject", statements: []string{sub(`["` + claim + `", "system:serviceaccount:*"]`)}, want: Allowed, defects: []string{at(DefectWildcard, condition("StringEquals", "sub")+"[1]")}},
		{name: "another service account beside the subject", statements: []string{sub(`["` + claim + `", "system:serviceaccount:a:b"]`)}, want: Allowed, defects: []string{at(DefectShared, condition("StringEquals", "sub")+"[1]")}},
		{name: "another service account in a statement of its own", statements: []string{trusting(exact), sub(`"system:serviceaccount:a:b"`)}, want: Allowed, defects: []string{at(DefectShared, strings.Replace(condition("StringEquals", "sub"), "[0]", "[1]", 1))}},
		{name: "pattern that lets in the subject", statements: []string{trusting(aud + `, "StringLike": {"ISS:sub": "system:serviceaccount:sales-events:*"}`)}, want: Allowed, defects: []string{at(DefectBroadSubject, condition("StringLike", "sub"))}},
		{name: "pattern that does not", statements: []string{trusting(aud + `, "StringLike": {"ISS:sub": "system:serviceaccount:a:*"}`)}, want: NotAllowed, defects: []string{at(DefectSubject, condition("StringLike", "sub"))}},
		{name: "no sub", statements: []string{trusting(aud)}, want: Allowed, defects: []string{at(DefectNoSubject, "Statement[0]")}},
		{name: "sub only excludes", statements: []string{trusting(aud + `, "StringNotEquals": {"ISS:sub": "system:serviceaccount:a:b"}`)}, want: Allowed, defects: []string{at(DefectNoSubject, "Statement[0]")}},

		{name: "no aud", statements: []string{trusting(`"StringEquals": {"ISS:sub": "` + claim + `"}`)}, want: Allowed, defects: []string{at(DefectNoAudience, "Statement[0]")}},
		{name: "another aud", statements: []string{trusting(strings.Replace(exact, "sts.amazonaws.com", "sts", 1))}, want: NotAllowed, defects: []string{at(DefectAudience, condition("StringEquals", "aud"))}},
		{name: "one aud more", statements: []string{trusting(strings.Replace(exact, `"sts.amazonaws.com"`, `["sts.amazonaws.com", "vault"]`, 1))}, want: Allowed, defects: []string{at(DefectAudience, condition("StringEquals", "aud")+"[1]")}},
		{name: "wildcard for aud under StringEquals", statements: []string{trusting(strings.Replace(exact, "sts.amazonaws.com", "*", 1))}, want: NotAllowed, defects: []string{at(DefectWildcard, condition("StringEquals", "aud"))}},

		{name: "keys of another issuer", statements: []string{trusting(strings.ReplaceAll(exact, "ISS", stranger))}, want: NotAllowed, defects: []string{
			fmt.Sprintf("key Statement[0].Condition.StringEquals[%q]", stranger+":sub"),
			fmt.Sprintf("key Statement[0].Condition.StringEquals[%q]", stranger+":aud"),
			"no subject Statement[0]", "no audience Statement[0]",
		}, message: "its keys are " + issuer + ":sub and " + issuer + ":aud"},
		{name: "keys with the scheme", subject: unknown, statements: []string{trusting(strings.ReplaceAll(exact, "ISS:sub", "https://ISS:sub"))}, want: NotAllowed, defects: []string{
			fmt.Sprintf("key Statement[0].Condition.StringEquals[%q]", "https://"+issuer+":sub"), "no subject Statement[0]",
		}},
		{name: "a wrong key with IfExists lets in everyone", statements: []string{trusting(aud + `, "StringEqualsIfExists": {"` + stranger + `:sub": "` + claim + `"}`)}, want: Allowed, defects: []string{
			fmt.Sprintf("key Statement[0].Condition.StringEqualsIfExists[%q]", stranger+":sub"), "no subject Statement[0]",
		}},

		{name: "provider of another issuer", statements: []string{trustingProvider("arn:aws:iam::111122223333:oidc-provider/"+stranger, exact)}, want: NotAllowed, defects: []string{"provider Statement[0].Principal.Federated"}, message: "is of the issuer " + stranger + ", the cluster's is " + issuer},
		{name: "provider of another account", statements: []string{trustingProvider("arn:aws:iam::444455556666:oidc-provider/"+issuer, exact)}, want: NotAllowed, defects: []string{"account Statement[0].Principal.Federated"}},
		{name: "issuer for provider", statements: []string{trustingProvider("https://"+issuer, exact)}, want: NotAllowed, defects: []string{"provider Statement[0].Principal.Federated"}},
		{name: "no provider", statements: []string{`"Principal": {"AWS": "111122223333"}, "Action": "sts:*"`}, want: NotAllowed, defects: []string{"provider Statement[0]"}},
		{name: "another provider in a statement of its own", statements: []string{trustingProvider("arn:aws:iam::111122223333:oidc-provider/"+stranger, exact), trusting(exact)}, want: Allowed, defects: []string{"shared Statement[0].Principal.Federated"}},
		{name: "another provider in the same statement", statements: []string{strings.NewReplacer(`"arn:`, `["arn:aws:iam::111122223333:oidc-provider/`+stranger+`", "arn:`, `"}, "Action"`, `"]}, "Action"`).Replace(trusting(exact))}, want: Allowed, defects: []string{"shared Statement[0].Principal.Federated[0]"}},
		{name: "everyone", statements: []string{strings.Replace(trusting(exact), `{"Federated": "arn:aws:iam::111122223333:oidc-provider/`+issuer+`"}`, `"*"`, 1)}, want: Allowed, defects: []string{"everyone Statement[0].Principal"}},
		{name: "everyone else", statements: []string{strings.Replace(trusting(exact), "Principal", "NotPrincipal", 1)}, want: NotAllowed, defects: []string{"everyone Statement[0].NotPrincipal"}},

		{name: "another action", statements: []string{strings.Replace(trusting(exact), "sts:AssumeRoleWithWebIdentity", "sts:AssumeRole", 1)}, want: NotAllowed, defects: []string{"action Statement[0].Action"}, message: "needs the action sts:AssumeRoleWithWebIdentity, the statement has sts:AssumeRole"},
		{name: "for a service", statements: []string{`"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"`}, want: NotAllowed, defects: []string{"action "}},
		{name: "another condition", statements: []string{trusting(exact + `, "StringLike": {"aws:SourceVpc": "vpc-1"}`)}, want: NotAllowed, defects: []string{`condition Statement[0].Condition.StringLike["aws:SourceVpc"]`}},
		{name: "denied", statements: []string{trusting(exact), `{"Effect": "Deny", "Principal": "*", "Action": "sts:*"}`}, want: Denied, defects: []string{"denied Statement[1]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.subject == (Subject{}) {
				tc.subject = consumer
			}
			policy := parse(t, "trust", TrustPolicy, document(tc.statements...))
			decision, defects := policy.Trusts(tc.subject)
			if decision.Outcome != tc.want {
				t.Errorf("%s: %s", decision.Outcome, decision.Reason)
			}
			var got []string
			message := tc.message == ""
			for _, d := range defects {
				got = append(got, at(d.Kind, d.JSONPath))
				message = message || strings.Contains(d.Message, tc.message)
				if _, ok := policy.Offset(d.JSONPath); ok != (d.StatementIndex >= 0) {
					t.Errorf("%+v is nowhere", d)
				}
			}
			if !slices.Equal(got, tc.defects) || !message {
				t.Errorf("got %+v\nwant %q %s", defects, tc.defects, tc.message)
			}
		})
	}
}

func TestIdentityPolicyTrustsNobody(t *testing.T) {
	decision, defects := parse(t, "p", IdentityPolicy, about("sts:*", "*")).Trusts(consumer)
	if decision.Allowed() || len(defects) == 0 {
		t.Errorf("got %+v %+v", decision, defects)
	}
}

// TestTrustsSoundly checks on random trust policies what [FuzzPolicy] checks, with
// statements that are more realistic than random bytes.
func TestTrustsSoundly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	flawless := 0
	for range 5000 {
		statements := make([]string, 1+random.IntN(3))
		for i := range statements {
			conditions := ""
			for _, about := range []struct{ claim, value, operator string }{
				{":sub", claim, pick("StringEquals", "StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "ForAllValues:StringEquals", "StringEqualsIfExists")},
				{":aud", audience, "StringLike"},
				{pick(":sub", ":aud"), "*", pick("ForAnyValue:StringLike", "StringLikeIfExists", "ArnNotLike")},
			} {
				if random.IntN(4) > 0 {
					conditions += fmt.Sprintf(`, %q: {%q: [%q, %q]}`, about.operator, pick(issuer, issuer, issuer, stranger)+about.claim,
						about.value, pick(about.value, about.value, about.value, "*", "system:serviceaccount:default:consumer"))
				}
			}
			statements[i] = fmt.Sprintf(`{"Effect": %q, %q: {"Federated": "arn:aws:iam::%s:oidc-provider/%s"}, "Action": %q, "Condition": {%s}}`,
				pick("Allow", "Allow", "Allow", "Deny"), pick("Principal", "Principal", "Principal", "NotPrincipal"), pick("111122223333", "111122223333", "444455556666"), pick(issuer, issuer, stranger),
				pick(assumeRole, "sts:*", "sts:AssumeRole"), strings.TrimPrefix(conditions, ", "))
		}
		policy := parse(t, "trust", TrustPolicy, document(statements...))
		checkTrust(t, policy)
		if decision, defects := policy.Trusts(consumer); decision.Allowed() && len(defects) == 0 {
			flawless++
		}
	}
	if flawless < 20 {
		t.Errorf("%d policies without defect: the sample shows nothing", flawless)
	}
}

// TestRoleChain tests the other use of a trust policy: a role that assumes a role.
func TestRoleChain(t *testing.T) {
	trust := parse(t, "trust", TrustPolicy, document(`"Principal": {"AWS": "arn:aws:iam::444455556666:role/keda"}, "Action": "sts:AssumeRole"`))
	may := parse(t, "keda", IdentityPolicy, about("sts:AssumeRole", role))
	request := Request{Principal: Principal{AWS, "arn:aws:iam::444455556666:role/keda"}, Action: "sts:AssumeRole", Resource: role}
	if d := (Policies{Resource: trust}).Evaluate(request); d.Allowed() {
		t.Errorf("allowed without a policy of its own: %s", d.Reason)
	}
	if d := (Policies{Resource: trust, Identity: []*Policy{may}}).Evaluate(request); !d.Allowed() {
		t.Error(d.Reason)
	}
	request.Principal.ID = "arn:aws:iam::444455556666:role/other"
	if d := (Policies{Resource: trust, Identity: []*Policy{may}}).Evaluate(request); d.Allowed() {
		t.Errorf("a role that is not named: %s", d.Reason)
	}
	request.Principal.ID = "arn:aws:iam::111122223333:role/keda"
	if d := (Policies{Resource: trust, Identity: []*Policy{may}}).Evaluate(request); d.Allowed() {
		t.Errorf("a role of the same account that is not named: %s", d.Reason)
	}
}
