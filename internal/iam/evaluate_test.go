package iam

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	queue  = "arn:aws:sqs:eu-central-1:111122223333:events"
	other  = "arn:aws:sqs:eu-central-1:111122223333:other"
	object = "arn:aws:s3:::events/raw/2030/a:b.json"
	key    = "arn:aws:kms:eu-central-1:111122223333:key/1"
	role   = "arn:aws:iam::111122223333:role/team/consumer"
)

var (
	asRole    = Principal{AWS, role}
	asSession = Principal{AWS, "arn:aws:sts::111122223333:assumed-role/consumer/pod"}
	asUser    = Principal{AWS, "arn:aws:iam::111122223333:user/Bob"}
	asForeign = Principal{AWS, "arn:aws:iam::444455556666:role/consumer"}
	asService = Principal{Service, "sns.amazonaws.com"}
)

// document wraps statements, which may be given in short: the rest of
// {"Effect": "Allow", …
func document(statements ...string) string {
	for i, s := range statements {
		if !strings.HasPrefix(s, "{") {
			statements[i] = `{"Effect": "Allow", ` + s + `}`
		}
	}
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`
}

func parse(t testing.TB, name string, kind Kind, text string) *Policy {
	t.Helper()
	if text == "" {
		return nil
	}
	p, err := Parse(name, kind, []byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return p
}

// when returns a statement that allows everything under a condition.
func when(condition string) string {
	return document(`"Action": "*", "Resource": "*", "Condition": {` + condition + `}`)
}

func about(action, resource string) string {
	return document(fmt.Sprintf(`"Action": %q, "Resource": %q`, action, resource))
}

// TestEvaluate names each case after the sentence of AWS's documentation that it
// tests.
func TestEvaluate(t *testing.T) {
	send := Request{Principal: asRole, Action: "sqs:SendMessage", Resource: queue}
	anything := about("*", "*")
	with := func(key string, values ...string) Request {
		r := send
		r.Context = map[string][]string{key: values}
		return r
	}
	on := func(resource string) Request {
		r := send
		r.Resource = resource
		return r
	}
	from := func(p Principal) Request {
		r := send
		r.Principal = p
		return r
	}
	principal := func(p string) string {
		return document(`"Principal": ` + p + `, "Action": "*", "Resource": "*"`)
	}
	const self = `{"AWS": "` + role + `"}`
	for _, tc := range []struct {
		name                         string
		identity, boundary, resource string
		request                      Request
		want                         Outcome
		reason                       string
	}{
		// Policy evaluation logic.
		{name: "by default all requests are implicitly denied", request: send, want: NotAllowed, reason: "there is none"},
		{name: "an explicit allow overrides the default", identity: about("sqs:SendMessage", queue), request: send, want: Allowed, reason: `policy "identity", Statement[0] allows sqs:SendMessage on ` + queue},
		{name: "an explicit deny overrides any allow", identity: document(`"Action": "*", "Resource": "*"`, `{"Sid": "Never", "Effect": "Deny", "Action": "sqs:*", "Resource": "*"}`), request: send, want: Denied, reason: `Statement[1] (Sid "Never") denies`},
		{name: "a deny of the resource's policy overrides the identity's allow", identity: anything, resource: document(`{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`), request: with("aws:SecureTransport", "false"), want: Denied},
		{name: "a boundary limits what the identity policy grants", identity: anything, boundary: about("s3:*", "*"), request: send, want: NotAllowed, reason: "the permissions boundary must allow"},
		{name: "a boundary grants nothing on its own", boundary: anything, request: send, want: NotAllowed},
		{name: "what boundary and identity policy allow is allowed", identity: anything, boundary: about("sqs:*", "*"), request: send, want: Allowed},
		{name: "a deny in the boundary overrides", identity: anything, boundary: document(`{"Effect": "Deny", "Action": "*", "Resource": "*"}`), request: send, want: Denied},
		{name: "within an account a resource policy is enough", resource: principal(self), request: send, want: Allowed},
		{name: "a resource policy may leave out its resource", resource: document(`"Principal": "*", "Action": "*"`), request: send, want: Allowed},
		{name: "a resource policy that names the role is limited by its boundary", resource: principal(self), boundary: about("s3:*", "*"), request: send, want: NotAllowed, reason: "the permissions boundary must allow"},
		{name: "a resource policy that names the session is not limited by the boundary", resource: principal(`{"AWS": "` + asSession.ID + `"}`), boundary: about("s3:*", "*"), request: from(asSession), want: Allowed},
		{name: "a resource policy that names the user is not limited by the boundary", resource: principal(`{"AWS": "` + asUser.ID + `"}`), boundary: about("s3:*", "*"), request: from(asUser), want: Allowed},
		{name: "a role that is named covers its sessions", resource: principal(self), request: from(asSession), want: Allowed},
		{name: "a session that is named does not cover the role", resource: principal(`{"AWS": "` + asSession.ID + `"}`), request: send, want: NotAllowed},
		{name: "an account that is named delegates to its identity policies", resource: principal(`{"AWS": "111122223333"}`), request: send, want: NotAllowed},
		{name: "the statement that names the principal most closely counts", resource: document(`"Principal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"`, `"Principal": `+self+`, "Action": "*", "Resource": "*"`), request: send, want: Allowed, reason: "Statement[1] allows"},
		{name: "across accounts the identity policy is not enough", identity: anything, request: from(asForeign), want: NotAllowed, reason: "the resource's own policy must allow"},
		{name: "across accounts the resource policy is not enough", resource: principal(`{"AWS": "` + asForeign.ID + `"}`), request: from(asForeign), want: NotAllowed, reason: "an identity policy must allow"},
		{name: "across accounts both together are enough", identity: anything, resource: principal(`{"AWS": "444455556666"}`), request: from(asForeign), want: Allowed},
		{name: "a bucket's account is told by the caller", identity: anything, request: Request{Principal: asRole, Action: "s3:PutObject", Resource: object, ResourceAccount: "444455556666"}, want: NotAllowed},
		{name: "a key policy must allow explicitly", identity: anything, resource: principal(`{"Service": "s3.amazonaws.com"}`), request: on(key), want: NotAllowed, reason: "the resource's own policy"},
		{name: "a key policy may leave it to the account", identity: anything, resource: principal(`{"AWS": "arn:aws:iam::111122223333:root"}`), request: on(key), want: Allowed},
		{name: "a service needs no policy but the resource's", resource: principal(`{"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}`), request: from(asService), want: Allowed},
		{name: "Principal AWS * and * are the same to the anonymous", resource: principal(`{"AWS": "*"}`), request: from(Principal{}), want: Allowed},

		// NotPrincipal.
		{name: "NotPrincipal with Deny spares who is named with the account", identity: anything, resource: document(`{"Effect": "Deny", "NotPrincipal": {"AWS": ["` + role + `", "111122223333"]}, "Action": "*", "Resource": "*"}`), request: send, want: Allowed},
		{name: "NotPrincipal with Deny may deny the account that is not named", identity: anything, resource: document(`{"Effect": "Deny", "NotPrincipal": {"AWS": "` + role + `"}, "Action": "*", "Resource": "*"}`), request: send, want: Denied},
		{name: "NotPrincipal * leaves out everyone", identity: anything, resource: document(`{"Effect": "Deny", "NotPrincipal": "*", "Action": "*", "Resource": "*"}`), request: send, want: Allowed},
		{name: "NotPrincipal with Allow lets in all but the named", resource: document(`"NotPrincipal": ` + self + `, "Action": "*", "Resource": "*"`), request: from(asUser), want: Allowed},
		{name: "NotPrincipal with Allow leaves out the named", resource: document(`"NotPrincipal": ` + self + `, "Action": "*", "Resource": "*"`), request: send, want: NotAllowed, reason: "is not about " + role},

		// Action and NotAction.
		{name: "prefix and action name are case insensitive", identity: about("SQS:sendmessage", queue), request: send, want: Allowed},
		{name: "a * in an action", identity: about("sqs:*Message", queue), request: send, want: Allowed},
		{name: "a ? is exactly one character", identity: about("sqs:SendMessage?", queue), request: send, want: NotAllowed},
		{name: "NotAction is everything else", identity: document(`"NotAction": "iam:*", "Resource": "*"`), request: send, want: Allowed},
		{name: "NotAction is not what it names", identity: document(`"NotAction": "sqs:Send*", "Resource": "*"`), request: send, want: NotAllowed},

		// Resource and NotResource.
		{name: "the resource's name is case sensitive", identity: about("*", "arn:aws:sqs:eu-central-1:111122223333:Events"), request: send, want: NotAllowed, reason: "is about arn:aws:sqs:eu-central-1:111122223333:Events"},
		{name: "a * in the resource part crosses slashes and colons", identity: about("*", "arn:aws:s3:::events/*.json"), request: on(object), want: Allowed},
		{name: "a * within a part stops at the colon", identity: about("*", "arn:aws:lambda:eu*3:function:send"), request: on("arn:aws:lambda:eu-central-1:111122223333:function:send"), want: NotAllowed},
		{name: "a * at the end of a part can match beyond the colon", identity: about("*", "arn:aws:lambda:*:function:send"), request: on("arn:aws:lambda:eu-central-1:111122223333:function:send"), want: Allowed},
		{name: "a ? within a part is no colon", identity: about("*", "arn:aws:lambda:eu?111122223333:function:send"), request: on("arn:aws:lambda:eu:111122223333:function:send"), want: NotAllowed},
		{name: "a bucket is not its objects", identity: about("*", "arn:aws:s3:::events"), request: on(object), want: NotAllowed},
		{name: "an incomplete ARN is completed with wildcards", identity: about("*", "arn:aws:sqs"), request: send, want: Allowed},
		{name: "NotResource is everything else", identity: document(`"Action": "*", "NotResource": "` + other + `"`), request: send, want: Allowed},
		{name: "NotResource is not what it names", identity: document(`"Action": "*", "NotResource": "arn:aws:sqs:*:*:*"`), request: send, want: NotAllowed, reason: "all but"},

		// Variables and tags.
		{name: "a variable stands for the request's value", identity: about("*", "arn:aws:sqs:*:*:${aws:username}"), request: with("aws:UserName", "events"), want: Allowed},
		{name: "wildcards in the value of a variable are literal", identity: about("*", "arn:aws:sqs:*:*:${aws:username}"), request: with("aws:username", "*"), want: NotAllowed},
		{name: "a variable that is not resolved matches nothing", identity: about("*", "arn:aws:sqs:*:*:${aws:username}*"), request: send, want: NotAllowed},
		{name: "a variable that is not resolved makes NotResource invalid", identity: document(`"Action": "*", "NotResource": "arn:aws:sqs:*:*:${aws:username}"`), request: send, want: NotAllowed},
		{name: "a variable that is not resolved makes a Deny invalid", identity: document(`"Action": "*", "Resource": "*"`, `{"Effect": "Deny", "Action": "*", "Resource": "arn:aws:sqs:*:*:${aws:username}"}`), request: send, want: Allowed},
		{name: "a variable may have a default", identity: about("*", "arn:aws:sqs:*:*:${aws:username, 'events'}"), request: send, want: Allowed},
		{name: "a multivalued key is no variable", identity: about("*", "arn:aws:sqs:*:*:${aws:username}"), request: with("aws:username", "events", "other"), want: NotAllowed},
		{name: "${*} is an asterisk", identity: about("*", "arn:aws:sqs:*:*:${*}"), request: send, want: NotAllowed},
		{name: "without Version 2012-10-17 a variable is literal", identity: `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:sqs:*:*:${aws:username}"}}`, request: with("aws:username", "events"), want: NotAllowed},
		{name: "a variable in a condition", identity: when(`"StringEquals": {"a:b": "x-${a:c}"}`), request: Request{Action: "x:Y", Context: map[string][]string{"a:b": {"x-*"}, "a:c": {"*"}}}, want: Allowed},
		{name: "a variable that is not resolved makes a negated condition invalid", identity: when(`"StringNotEquals": {"a:b": "${a:c}"}`), request: with("a:b", "1"), want: NotAllowed},

		// Condition operators.
		{name: "StringEquals is case sensitive", identity: when(`"StringEquals": {"a:b": "Events"}`), request: with("a:b", "events"), want: NotAllowed, reason: "a:b is events"},
		{name: "condition keys are not case sensitive", identity: when(`"StringEquals": {"A:B": "events"}`), request: with("a:b", "events"), want: Allowed},
		{name: "StringEquals takes wildcards literally", identity: when(`"StringEquals": {"a:b": "ev*"}`), request: with("a:b", "events"), want: NotAllowed},
		{name: "StringEqualsIgnoreCase", identity: when(`"StringEqualsIgnoreCase": {"a:b": "Events"}`), request: with("a:b", "events"), want: Allowed},
		{name: "StringNotEqualsIgnoreCase", identity: when(`"StringNotEqualsIgnoreCase": {"a:b": "Events"}`), request: with("a:b", "events"), want: NotAllowed},
		{name: "StringLike", identity: when(`"StringLike": {"a:b": "ev??t*"}`), request: with("a:b", "events"), want: Allowed},
		{name: "StringNotLike", identity: when(`"StringNotLike": {"a:b": "ev*"}`), request: with("a:b", "events"), want: NotAllowed},
		{name: "an absent key does not match", identity: when(`"StringLike": {"a:b": "*"}`), request: send, want: NotAllowed, reason: "a:b is not there"},
		{name: "an absent key meets a negated operator", identity: when(`"StringNotLike": {"a:b": "*"}`), request: send, want: Allowed},
		{name: "an absent key meets IfExists", identity: when(`"StringEqualsIfExists": {"a:b": "1"}`), request: send, want: Allowed},
		{name: "a present key is tested by IfExists", identity: when(`"StringEqualsIfExists": {"a:b": "1"}`), request: with("a:b", "2"), want: NotAllowed},
		{name: "several values are combined with OR", identity: when(`"StringEquals": {"a:b": ["1", "2"]}`), request: with("a:b", "2"), want: Allowed},
		{name: "several values of a negated operator are combined with NOR", identity: when(`"StringNotEquals": {"a:b": ["1", "2"]}`), request: with("a:b", "2"), want: NotAllowed},
		{name: "several keys are combined with AND", identity: when(`"StringEquals": {"a:b": "1", "a:c": "1"}`), request: with("a:b", "1"), want: NotAllowed},
		{name: "several operators are combined with AND", identity: when(`"StringEquals": {"a:b": "1"}, "Null": {"a:b": "true"}`), request: with("a:b", "1"), want: NotAllowed},
		{name: "Null true: the key must not exist", identity: when(`"Null": {"a:b": "true"}`), request: send, want: Allowed},
		{name: "Null false: the key must exist", identity: when(`"Null": {"a:b": false}`), request: send, want: NotAllowed},
		{name: "Null false: its value must not be empty", identity: when(`"Null": {"a:b": "false"}`), request: with("a:b", ""), want: NotAllowed},
		{name: "Bool", identity: when(`"Bool": {"aws:SecureTransport": true}`), request: with("aws:SecureTransport", "true"), want: Allowed},
		{name: "NumericLessThanEquals", identity: when(`"NumericLessThanEquals": {"s3:max-keys": 10}`), request: with("s3:max-keys", "10"), want: Allowed},
		{name: "NumericGreaterThan compares numbers, not text", identity: when(`"NumericGreaterThan": {"a:b": "9"}`), request: with("a:b", "10.5"), want: Allowed},
		{name: "NumericNotEquals", identity: when(`"NumericNotEquals": {"a:b": "1"}`), request: with("a:b", "1.0"), want: NotAllowed},
		{name: "a value that is no number does not match", identity: when(`"NumericLessThan": {"a:b": "1"}`), request: with("a:b", "zero"), want: NotAllowed},
		{name: "DateGreaterThan", identity: when(`"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01T00:00:01Z"}`), request: with("aws:TokenIssueTime", "2030-01-01"), want: Allowed},
		{name: "dates in epoch time", identity: when(`"DateLessThan": {"aws:EpochTime": "1577836801"}`), request: with("aws:EpochTime", "2020-01-01"), want: Allowed},
		{name: "IpAddress takes ranges", identity: when(`"IpAddress": {"aws:SourceIp": ["2001:DB8::/32", "203.0.113.0/24"]}`), request: with("aws:SourceIp", "203.0.113.7"), want: Allowed},
		{name: "an address without prefix is that address", identity: when(`"NotIpAddress": {"aws:SourceIp": "203.0.113.7"}`), request: with("aws:SourceIp", "203.0.113.8"), want: Allowed},
		{name: "BinaryEquals", identity: when(`"BinaryEquals": {"a:b": "QmluYXJ5"}`), request: with("a:b", "QmluYXJ5"), want: Allowed},
		{name: "ArnLike checks each part separately", identity: when(`"ArnLike": {"a:b": "arn:aws:someservice:*:111122223333:finance/*"}`), request: with("a:b", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), want: NotAllowed},
		{name: "StringLike does not", identity: when(`"StringLike": {"a:b": "arn:aws:someservice:*:111122223333:finance/*"}`), request: with("a:b", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"), want: Allowed},
		{name: "ArnEquals behaves like ArnLike", identity: when(`"ArnEquals": {"aws:SourceArn": "arn:aws:sns:*:111122223333:t?pic"}`), request: with("aws:SourceArn", "arn:aws:sns:eu-central-1:111122223333:topic"), want: Allowed},
		{name: "ArnNotLike", identity: when(`"ArnNotLike": {"aws:PrincipalArn": "` + role + `"}`), request: send, want: NotAllowed},
		{name: "aws:PrincipalArn of a session is the role's", identity: when(`"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/consumer"}`), request: from(asSession), want: Allowed},
		{name: "aws:PrincipalAccount", identity: when(`"StringEquals": {"aws:PrincipalAccount": "111122223333"}`), request: send, want: Allowed},

		// Single-valued and multivalued context keys.
		{name: "ForAllValues: every value of the request must match", identity: when(`"ForAllValues:StringLike": {"aws:TagKeys": ["a*", "b"]}`), request: with("aws:TagKeys", "a1", "b"), want: Allowed},
		{name: "ForAllValues: one that does not is enough", identity: when(`"ForAllValues:StringLike": {"aws:TagKeys": ["a*", "b"]}`), request: with("aws:TagKeys", "a1", "c"), want: NotAllowed},
		{name: "ForAllValues is true if there is no key", identity: when(`"ForAllValues:StringEquals": {"aws:TagKeys": "a"}`), request: send, want: Allowed},
		{name: "ForAllValues is true if the value is empty", identity: when(`"ForAllValues:StringEquals": {"aws:TagKeys": "a"}`), request: with("aws:TagKeys", ""), want: Allowed},
		{name: "ForAllValues negated: no value may match", identity: when(`"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a", "b"]}`), request: with("aws:TagKeys", "c", "b"), want: NotAllowed},
		{name: "ForAllValues negated: if none does, it is met", identity: when(`"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a", "b"]}`), request: with("aws:TagKeys", "c", "d"), want: Allowed},
		{name: "ForAnyValue: one value is enough", identity: when(`"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}`), request: with("aws:TagKeys", "a", "b"), want: Allowed},
		{name: "ForAnyValue is false if there is no key", identity: when(`"ForAnyValue:StringEquals": {"aws:TagKeys": "b"}`), request: send, want: NotAllowed},
		{name: "ForAnyValue negated: one that does not match is enough", identity: when(`"ForAnyValue:StringNotEquals": {"aws:TagKeys": "b"}`), request: with("aws:TagKeys", "a", "b"), want: Allowed},
		{name: "ForAnyValue negated: if all match, it is not met", identity: when(`"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["a", "b"]}`), request: with("aws:TagKeys", "a", "b"), want: NotAllowed},
		{name: "ForAnyValue negated is false if there is no key", identity: when(`"ForAnyValue:StringNotEquals": {"aws:TagKeys": "b"}`), request: send, want: NotAllowed},
		{name: "ForAnyValue with IfExists", identity: when(`"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "b"}`), request: send, want: Allowed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			policies := Policies{
				Boundary: parse(t, "boundary", IdentityPolicy, tc.boundary),
				Resource: parse(t, "resource", ResourcePolicy, tc.resource),
			}
			if tc.identity != "" {
				policies.Identity = []*Policy{parse(t, "identity", IdentityPolicy, tc.identity)}
			}
			got := policies.Evaluate(tc.request)
			if got.Outcome != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("got %s: %s\nwant %s: %s", got.Outcome, got.Reason, tc.want, tc.reason)
			}
			if got.Outcome == NotAllowed != (got.Policy == "" && got.Statement == -1) {
				t.Errorf("%s by statement %d of %q", got.Outcome, got.Statement, got.Policy)
			}
		})
	}
}

func TestDecisionNamesTheStatement(t *testing.T) {
	policy := parse(t, "producer", IdentityPolicy, document(
		`"Action": "s3:*", "Resource": "*"`,
		`"Sid": "Send", "Action": "sqs:SendMessage", "Resource": "`+queue+`"`,
	))
	request := Request{Principal: asRole, Action: "sqs:SendMessage", Resource: queue}
	got := Policies{Identity: []*Policy{policy}}.Evaluate(request)
	want := Decision{Allowed, "producer", 1, "Send", "Statement[1]", `policy "producer", Statement[1] (Sid "Send") allows sqs:SendMessage on ` + queue}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	request.Resource = other
	want.Reason = `an identity policy must allow sqs:SendMessage on ` + other + `, and "producer" does not: policy "producer", Statement[1] (Sid "Send") is about ` + queue
	if got := (Policies{Identity: []*Policy{policy}}).Evaluate(request); got.Reason != want.Reason {
		t.Errorf("got %s\nwant %s", got.Reason, want.Reason)
	}
}

func TestGrants(t *testing.T) {
	policy := parse(t, "p", IdentityPolicy, document(
		`"Sid": "A", "Action": ["sqs:SendMessage", "sqs:Get*"], "Resource": "`+queue+`", "Condition": {"Bool": {"aws:SecureTransport": "true"}}`,
		`{"Effect": "Deny", "Action": "*", "Resource": "*"}`,
		`"NotAction": "iam:*", "NotResource": "`+queue+`"`,
	))
	got := fmt.Sprint(policy.Grants())
	want := "[{0 A [{sqs:SendMessage Statement[0].Action[0]} {sqs:Get* Statement[0].Action[1]}] [{" + queue + " Statement[0].Resource}] true}" +
		" {2  [{* Statement[2].NotAction}] [{* Statement[2].NotResource}] false}]"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestDenyAlwaysWins checks on random sets of policies that a request is denied exactly
// if one of their Deny statements, on its own, denies it.
func TestDenyAlwaysWins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	statement := func(kind Kind) string {
		text := fmt.Sprintf(`{"Effect": %q, %q: %q, %q: %q`,
			pick("Allow", "Allow", "Deny"), pick("Action", "Action", "NotAction"), pick("*", "sqs:*", "sqs:SendMessage", "s3:*"),
			pick("Resource", "Resource", "NotResource"), pick("*", queue, other, "arn:aws:sqs:*:*:e*", "arn:aws:sqs:*:*:${a:b}"))
		if kind == ResourcePolicy {
			text += fmt.Sprintf(`, %q: {"AWS": %q}`, pick("Principal", "NotPrincipal"), pick("*", role, asSession.ID, asUser.ID, "111122223333", "444455556666"))
		}
		if random.IntN(2) == 0 {
			text += fmt.Sprintf(`, "Condition": {%q: {"a:b": %q}}`, pick("StringEquals", "StringNotLike", "ForAllValues:StringLike", "StringLikeIfExists"), pick("events", "*", "x"))
		}
		return text + "}"
	}
	policy := func(kind Kind) *Policy {
		statements := make([]string, 1+random.IntN(4))
		for i := range statements {
			statements[i] = statement(kind)
		}
		return parse(t, string(kind), kind, document(statements...))
	}
	outcomes := map[Outcome]int{}
	for range 3000 {
		policies := Policies{
			Identity: []*Policy{policy(IdentityPolicy), policy(IdentityPolicy)},
			Boundary: policy(IdentityPolicy),
			Resource: policy(ResourcePolicy),
		}
		request := Request{
			Principal: []Principal{asRole, asSession, asUser, asForeign, {}}[random.IntN(5)],
			Action:    pick("sqs:SendMessage", "s3:PutObject"),
			Resource:  pick(queue, other),
			Context:   map[string][]string{"a:b": {pick("events", "y", "")}},
		}
		denies := false
		for _, p := range policies.all() {
			for _, s := range p.Statements {
				alone := &Policy{Name: p.Name, Kind: p.Kind, Version: p.Version, Statements: []Statement{s}}
				denies = denies || s.Effect == Deny && Policies{Identity: []*Policy{alone}}.Evaluate(request).Outcome == Denied
			}
		}
		got := policies.Evaluate(request)
		outcomes[got.Outcome]++
		if denies != (got.Outcome == Denied) {
			t.Fatalf("%s, but a statement that denies is %v: %s", got.Outcome, denies, got.Reason)
		}
	}
	for _, outcome := range []Outcome{Allowed, Denied, NotAllowed} {
		if outcomes[outcome] < 50 {
			t.Errorf("%d of the requests were %s: the sample shows nothing", outcomes[outcome], outcome)
		}
	}
}
