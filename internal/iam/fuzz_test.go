package iam

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzPolicy checks what must hold for any input: no panic; either an error with a place,
// or a policy whose paths exist in the document; the same decision twice; a Deny of
// everything wins; and a trust policy without a defect lets in only the subject, while a
// subject that is kept out gets a reason.
func FuzzPolicy(f *testing.F) {
	for _, text := range []string{
		about("sqs:SendMessage", queue),
		when(`"ForAnyValue:StringLikeIfExists": {"a:b": ["*", "${a:c, 'x'}"]}, "Null": {"a:b": true}`),
		when(`"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "NumericLessThan": {"a:b": 1e3}, "DateLessThan": {"a:b": 12}`),
		document(`"NotPrincipal": {"AWS": ["111122223333", "` + role + `"]}, "NotAction": "*", "NotResource": ["arn:aws:s3:::*"]`),
		document(trusting(exact)),
		document(trusting(exact), trusting(`"StringLike": {"ISS:sub": "system:*"}`)),
		document(`"Principal": "*", "Action": "sts:*"`),
		`{"Statement": [`, `null`, `{"Version": {}}`,
	} {
		for kind := range uint8(3) {
			f.Add([]byte(text), kind, queue, "a*")
		}
	}
	everything := parse(f, "deny", IdentityPolicy, document(`{"Effect": "Deny", "Action": "*", "Resource": "*"}`))
	f.Fuzz(func(t *testing.T, text []byte, kind uint8, resource, value string) {
		p, err := Parse("p", []Kind{IdentityPolicy, ResourcePolicy, TrustPolicy}[kind%3], text)
		if err != nil {
			var place *Error
			if !errors.As(err, &place) || place.Message == "" || place.Offset < 0 || place.Offset > len(text) || p != nil {
				t.Fatalf("%v %#v", p, err)
			}
			return
		}
		checkPaths(t, p)
		p.Grants()
		request := Request{Principal: asRole, Action: "sqs:SendMessage", Resource: resource, Context: map[string][]string{"a:b": {value}}}
		for _, policies := range []Policies{{Identity: []*Policy{p}}, {Identity: []*Policy{p}, Boundary: p}, {Resource: p}} {
			if first, second := policies.Evaluate(request), policies.Evaluate(request); first != second {
				t.Fatalf("%+v, then %+v", first, second)
			}
			policies.Identity = append(policies.Identity, everything)
			if got := policies.Evaluate(request); got.Outcome != Denied {
				t.Fatalf("%+v in spite of a Deny", got)
			}
		}
		checkTrust(t, p)
	})
}

func checkPaths(t *testing.T, p *Policy) {
	for _, s := range p.Statements {
		paths := []string{s.Path, s.Actions.Path}
		for _, v := range append(s.Actions.Values, s.Resources.Values...) {
			paths = append(paths, v.Path)
		}
		for _, c := range s.Conditions {
			paths = append(paths, c.Path, c.Values[len(c.Values)-1].Path)
		}
		for _, path := range paths {
			if _, ok := p.Offset(path); !ok {
				t.Fatalf("%q is nowhere", path)
			}
		}
	}
}

func checkTrust(t *testing.T, p *Policy) {
	neighbours := []Subject{
		{consumer.Issuer, consumer.Account, "sales-events", "producer"},
		{consumer.Issuer, consumer.Account, "default", "consumer"},
	}
	for _, subject := range []Subject{consumer, unknown} {
		decision, defects := p.Trusts(subject)
		if !decision.Allowed() && len(defects) == 0 {
			t.Fatalf("%+v without a defect", decision)
		}
		if !decision.Allowed() || len(defects) > 0 {
			continue
		}
		for _, neighbour := range neighbours {
			if d, _ := p.Trusts(neighbour); d.Allowed() {
				t.Fatalf("no defect, but %s is let in: %s", neighbour.Claim(), d.Reason)
			}
		}
	}
}

// FuzzGlob compares the matcher with regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*??", "€")
	f.Add("**a", "ba")
	f.Add("?*:*", "a:b:c")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		pattern, text = strings.ToValidUTF8(pattern, ""), strings.ToValidUTF8(text, "")
		if len(pattern) > 500 {
			return
		}
		expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)\A` + expression + `\z`).MatchString(text)
		if got := plain(pattern).match(text); got != want {
			t.Errorf("%q matches %q: %v", pattern, text, got)
		}
	})
}

// TestHostilePatterns: a matcher that tries alternatives one by one would not finish
// these.
func TestHostilePatterns(t *testing.T) {
	text := strings.Repeat("a", 600)
	for _, pattern := range []string{
		strings.Repeat("*a", 300) + "b",
		strings.Repeat("*", 60000) + "b",
		strings.Repeat("*?", 300) + "b",
		strings.Repeat("a*:", 5) + strings.Repeat("*a", 250) + "b",
	} {
		start := time.Now()
		if plain(pattern).match(text) || plain(pattern).resource().match(text) {
			t.Errorf("%.20s… matches", pattern)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20s… took %s", pattern, took)
		}
	}
	statement := about("*", "arn:aws:s3:::"+strings.Repeat("*a", 250)+"b")
	statement = document(strings.TrimSuffix(strings.Repeat(statement[len(`{"Version": "2012-10-17", "Statement": [`):len(statement)-2]+", ", 30), ", "))
	start := time.Now()
	d := Policies{Identity: []*Policy{parse(t, "p", IdentityPolicy, statement)}}.Evaluate(Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + text})
	if took := time.Since(start); d.Allowed() || took > 10*time.Second {
		t.Errorf("%s after %s", d.Outcome, took)
	}
}
