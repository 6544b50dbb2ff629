package iam

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	text := `{
  "Version": "2012-10-17",
  "Id": "events",
  "Statement": {
    "Sid": "Send only",
    "Effect": "Allow",
    "Principal": {"AWS": ["111122223333"], "Service": "sns.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Condition": {"NumericLessThan": {"a:b": [1, "2.5"]}, "Bool": {"aws:SecureTransport": true}}
  }
}`
	p := parse(t, "queue", ResourcePolicy, text)
	s := p.Statements[0]
	if s.Path != "Statement" || s.Sid != "Send only" || len(s.Principals.Values) != 2 || len(s.Conditions) != 2 {
		t.Errorf("got %+v", s)
	}
	for path, begins := range map[string]string{
		"Statement":                      `{`,
		"Statement.Principal.AWS[0]":     `"111122223333"`,
		"Statement.Principal.Service":    `"sns.amazonaws.com"`,
		"Statement.Action":               `"sqs:SendMessage"`,
		s.Conditions[0].Path:             `[1, "2.5"]`,
		s.Conditions[0].Values[1].Path:   `"2.5"`,
		s.Conditions[1].Path:             `true`,
		"Statement.Condition.Bool.aws":   ``,
		`Statement.Condition.Bool["x"]`:  ``,
		"Statement.Principal.AWS[1]":     ``,
		"Statement.Condition.Bool[\"\"]": ``,
	} {
		offset, ok := p.Offset(path)
		if ok != (begins != "") || ok && !strings.HasPrefix(text[offset:], begins) {
			t.Errorf("%s is at %d: %v", path, offset, ok)
		}
	}
	if s.Conditions[1].Path != `Statement.Condition.Bool["aws:SecureTransport"]` {
		t.Errorf("got %s", s.Conditions[1].Path)
	}
}

func TestParseErrors(t *testing.T) {
	const tail = `"Action": "sqs:*", "Resource": "*"`
	for _, tc := range []struct {
		name string
		kind Kind
		text string
		want []string // empty Kind means IdentityPolicy
	}{
		{name: "not JSON", text: `{"Statement": [}`, want: []string{"not valid JSON"}},
		{name: "cut off", text: `{"Statement": [`, want: []string{"unexpected EOF"}},
		{name: "empty", text: ``, want: []string{"unexpected EOF"}},
		{name: "two documents", text: about("*", "*") + `{}`, want: []string{"something follows"}},
		{name: "not UTF-8", text: "\"\xff\"", want: []string{"not UTF-8"}},
		{name: "too deep", text: strings.Repeat("[", 60000), want: []string{"nested deeper"}},
		{name: "too long", text: strings.Repeat(" ", maxDocument+1), want: []string{"more than any policy"}},
		{name: "a long key", text: `{"` + strings.Repeat("a", maxKey+1) + `": 1}`, want: []string{"has a key longer"}},
		{name: "not an object", text: `[]`, want: []string{`policy "p": is a list where an object belongs`}},
		{name: "no statement", text: `{"Version": "2012-10-17"}`, want: []string{"Statement is missing"}},
		{name: "empty statement list", text: `{"Statement": []}`, want: []string{"Statement: the list is empty"}},
		{name: "statement of a wrong type", text: `{"Statement": ["x"]}`, want: []string{"Statement[0]: is a string where"}},
		{name: "version", text: `{"Version": "2012-10-18", "Statement": {"Effect": "Allow", ` + tail + `}}`, want: []string{"Version: must be 2008-10-17 or 2012-10-17"}},
		{name: "unknown key", text: document(tail + `, "Effects": 1`), want: []string{`Statement[0].Effects: the key "Effects" does not belong here`}},
		{name: "key in another case", text: document(tail + `, "condition": {}`), want: []string{`the key is not "condition" but "Condition"`}},
		{name: "duplicate key", text: document(tail + `, "Effect": "Deny"`), want: []string{`Statement[0].Effect: the key "Effect" is there twice`}},
		{name: "duplicate condition key in another case", text: when(`"StringEquals": {"a:b": "1", "A:B": "2"}`), want: []string{`the key "A:B" is there twice`}},
		{name: "duplicate operator", text: when(`"Null": {"a:b": "true"}, "Null": {"a:c": "true"}`), want: []string{`Condition.Null: the key "Null" is there twice`}},
		{name: "no effect", text: `{"Statement": {"Sid": "X", ` + tail + `}}`, want: []string{`policy "p": Statement (Sid "X"): Effect is missing: Allow or Deny`}},
		{name: "effect in another case", text: `{"Statement": {"Effect": "allow", ` + tail + `}}`, want: []string{"Statement.Effect: must be Allow or Deny"}},
		{name: "all at once, with their statements", text: document(`"Sid": "A"`, tail, `"Sid": "C", "Action": 1, "Resource": "*"`), want: []string{`Statement[0] (Sid "A"): Action is missing`, `Statement[0] (Sid "A"): Resource is missing`, `Statement[2].Action (Sid "C"): is a number where a string belongs`}},
		{name: "Action and NotAction", text: document(tail + `, "NotAction": "*"`), want: []string{"a statement has Action or NotAction, not both"}},
		{name: "Resource and NotResource", text: document(tail + `, "NotResource": "*"`), want: []string{"Resource or NotResource"}},
		{name: "empty action list", text: document(`"Action": [], "Resource": "*"`), want: []string{"Statement[0].Action: the list is empty"}},
		{name: "action without service", text: document(`"Action": ["sqs:*", "SendMessage"], "Resource": "*"`), want: []string{`Statement[0].Action[1]: "SendMessage" is not service:Action`}},
		{name: "list in a list", text: document(`"Action": [["sqs:*"]], "Resource": "*"`), want: []string{"Statement[0].Action[0]: is a list"}},
		{name: "resource that is no ARN", text: about("sqs:*", "events"), want: []string{`neither an ARN nor "*"`}},
		{name: "wildcard for the service", text: about("sqs:*", "arn:aws:*:::x"), want: []string{"takes no wildcard"}},
		{name: "variable for the account", text: about("sqs:*", "arn:aws:sqs:*:${aws:PrincipalAccount}:x"), want: []string{"after the fifth colon"}},
		{name: "Sid with a space", text: document(tail + `, "Sid": "Send only"`), want: []string{"letters and digits"}},
		{name: "duplicate Sid", text: document(tail+`, "Sid": "A"`, tail+`, "Sid": "A"`), want: []string{`Statement[1].Sid (Sid "A"): the Sid "A" is there twice`}},
		{name: "Id of an identity policy", text: `{"Id": "x", "Statement": {"Effect": "Allow", ` + tail + `}}`, want: []string{"has no Id"}},
		{name: "principal of an identity policy", text: document(tail + `, "Principal": "*"`), want: []string{"names no principal"}},
		{name: "resource policy without principal", kind: ResourcePolicy, text: document(tail), want: []string{"Principal is missing"}},
		{name: "trust policy with resource", kind: TrustPolicy, text: document(tail + `, "Principal": "*"`), want: []string{"has no Resource: its resource is the role"}},
		{name: "principal of a wrong type", kind: ResourcePolicy, text: document(tail + `, "Principal": "111122223333"`), want: []string{"Statement[0].Principal: is a string where an object belongs"}},
		{name: "unknown kind of principal", kind: ResourcePolicy, text: document(tail + `, "Principal": {"Aws": "*"}`), want: []string{`the key is not "Aws" but "AWS"`}},
		{name: "nobody", kind: ResourcePolicy, text: document(tail + `, "NotPrincipal": {}`), want: []string{"NotPrincipal: names nobody"}},
		{name: "pattern for a principal", kind: ResourcePolicy, text: document(tail + `, "Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}`), want: []string{"a principal is named in full"}},
		{name: "unknown operator", text: when(`"StringEqual": {"a:b": "1"}`), want: []string{`Statement[0].Condition.StringEqual: there is no condition operator "StringEqual"`}},
		{name: "operator in another case", text: when(`"stringlike": {"a:b": "1"}`), want: []string{"did you mean StringLike?"}},
		{name: "unknown set operator", text: when(`"ForSomeValues:StringLike": {"a:b": "1"}`), want: []string{"no set operator \"ForSomeValues\""}},
		{name: "NullIfExists", text: when(`"NullIfExists": {"a:b": "true"}`), want: []string{"Null stands alone"}},
		{name: "condition of a wrong type", text: when(`"StringLike": "a:b"`), want: []string{"is a string where an object belongs"}},
		{name: "condition value of a wrong type", text: when(`"StringLike": {"a:b": null}`), want: []string{`Statement[0].Condition.StringLike["a:b"]: is null where a string belongs`}},
		{name: "empty condition key", text: when(`"StringLike": {"": "1"}`), want: []string{"condition key is empty"}},
		{name: "no Boolean", text: when(`"Bool": {"a:b": "yes"}`), want: []string{"neither true nor false"}},
		{name: "no number", text: when(`"NumericEquals": {"a:b": "ten"}`), want: []string{`"ten" is not a number`}},
		{name: "no date", text: when(`"DateLessThan": {"a:b": "tomorrow"}`), want: []string{"is not a date"}},
		{name: "no address", text: when(`"IpAddress": {"a:b": "203.0.113.0/40"}`), want: []string{"neither an IP address nor a range"}},
		{name: "no base64", text: when(`"BinaryEquals": {"a:b": "?"}`), want: []string{"is not base64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.kind == "" {
				tc.kind = IdentityPolicy
			}
			policy, err := Parse("p", tc.kind, []byte(tc.text))
			var all Errors
			if policy != nil || !errors.As(err, &all) || len(all) != len(tc.want) {
				t.Fatalf("got %v\nwant %q", err, tc.want)
			}
			for i, want := range tc.want {
				if !strings.Contains(all[i].Error(), want) {
					t.Errorf("got %s\nwant %s", all[i], want)
				}
			}
		})
	}
}

func TestErrorPlace(t *testing.T) {
	text := document(`"Sid": "A", "Action": "sqs:*", "Resource": "*"`, `"Sid": "B", "Action": ["sqs"], "Resource": "*"`)
	_, err := Parse("p", IdentityPolicy, []byte(text))
	var got *Error
	if !errors.As(err, &got) {
		t.Fatal(err)
	}
	if got.Statement != 1 || got.Sid != "B" || got.Path != "Statement[1].Action[0]" || got.Offset != strings.Index(text, `"sqs"]`) {
		t.Errorf("got %+v", *got)
	}
}
