package authz

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// directory has one role.
type directory struct {
	principal  Principal
	generation uint64
	asked      int
}

func (d *directory) Principal(*access.Caller) Principal {
	d.asked++
	return d.principal
}

func (d *directory) Generation() uint64 { return d.generation }

func policy(t *testing.T, name string, kind iam.Kind, statement string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse(name, kind, []byte(`{"Version":"2012-10-17","Statement":[`+statement+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const queue = "arn:aws:sqs:eu-west-1:000000000000:q"

var consumer = &access.Caller{
	ARN: "arn:aws:sts::000000000000:assumed-role/consumer/pod", ID: "AROAX:pod", Account: "000000000000",
	Role: "arn:aws:iam::000000000000:role/sales-events/consumer",
}

func TestAllow(t *testing.T) {
	allow := func(action, more string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + queue + `"` + more + `}`
	}
	condition := func(operator, key, value string) string {
		return fmt.Sprintf(`,"Condition":{%q:{%q:%q}}`, operator, key, value)
	}
	onlyTLS := `{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	for name, test := range map[string]struct {
		identity, boundary, resource, trust string
		call                                access.Call
		context                             map[string][]string
		tls                                 bool
		want                                string // part of the reason; empty if the call is allowed
	}{
		"allowed":          {identity: allow("sqs:SendMessage", "")},
		"no policy":        {want: "because no identity-based policy allows the sqs:SendMessage action"},
		"another action":   {identity: allow("sqs:ReceiveMessage", ""), want: "because no identity-based policy allows"},
		"boundary":         {identity: allow("sqs:*", ""), boundary: allow("sqs:ReceiveMessage", ""), want: "because no permissions boundary allows the sqs:SendMessage action"},
		"within boundary":  {identity: allow("sqs:*", ""), boundary: allow("sqs:SendMessage", "")},
		"denied":           {identity: allow("sqs:*", "") + `,{"Effect":"Deny","Action":"sqs:*","Resource":"*"}`, want: "with an explicit deny in an identity-based policy"},
		"denied by bounds": {identity: allow("sqs:*", ""), boundary: `{"Effect":"Deny","Action":"sqs:*","Resource":"*"}`, want: "with an explicit deny in a permissions boundary"},
		"denied by queue":  {identity: allow("sqs:*", ""), resource: onlyTLS, want: "with an explicit deny in a resource-based policy"},
		"over TLS":         {identity: allow("sqs:*", ""), resource: onlyTLS, tls: true},
		"by queue alone":   {resource: `{"Effect":"Allow","Principal":{"AWS":"` + consumer.ARN + `"},"Action":"sqs:SendMessage","Resource":"*"}`},
		"trust":            {identity: allow("sqs:*", ""), trust: `{"Effect":"Allow","Principal":{"Service":"x"},"Action":"sqs:SendMessage"}`, want: "because no resource-based policy allows"},
		"from an address":  {identity: allow("sqs:*", condition("IpAddress", "aws:SourceIp", "10.0.0.0/8")), call: access.Call{SourceIP: "10.1.2.3"}},
		"from elsewhere":   {identity: allow("sqs:*", condition("IpAddress", "aws:SourceIp", "10.0.0.0/8")), call: access.Call{SourceIP: "11.1.2.3"}, want: "because no identity"},
		"by its role":      {identity: allow("sqs:*", condition("StringEquals", "aws:PrincipalArn", consumer.Role))},
		"by a tag":         {identity: allow("sqs:*", condition("StringEquals", "aws:PrincipalTag/team", "a"))},
		"by the call":      {identity: allow("sqs:*", condition("StringEquals", "aws:RequestTag/k", "v")), context: map[string][]string{"aws:RequestTag/k": {"v"}}},
		"by the region":    {identity: allow("sqs:*", condition("StringEquals", "aws:RequestedRegion", "eu-west-1"))},
		"by the time":      {identity: allow("sqs:*", condition("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z")), want: "because no identity"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &directory{principal: Principal{Tags: map[string]string{"team": "a"}}}
			if test.identity != "" {
				d.principal.Policies = []*iam.Policy{policy(t, "identity", iam.IdentityPolicy, test.identity)}
			}
			if test.boundary != "" {
				d.principal.Boundary = policy(t, "boundary", iam.IdentityPolicy, test.boundary)
			}
			check := access.Check{Action: "sqs:SendMessage", Resource: queue, Context: test.context}
			if test.resource != "" {
				check.Policy = policy(t, "resource", iam.ResourcePolicy, test.resource)
			}
			if test.trust != "" {
				check.Policy = policy(t, "trust", iam.TrustPolicy, test.trust)
			}
			g := New(Options{Directory: d, Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, Region: "eu-west-1", TLS: test.tls})
			test.call.Caller = consumer
			for range 2 { // the second decision comes from the cache
				err := g.Allow(access.NewContext(t.Context(), test.call), check)
				wantReason(t, err, test.want)
			}
		})
	}
}

func wantReason(t *testing.T, err error, want string) {
	t.Helper()
	var denied *access.Denied
	switch {
	case want == "" && err == nil:
	case want == "" || !errors.As(err, &denied) || !strings.HasPrefix(denied.Reason, want):
		t.Errorf("error %v, want the reason %q", err, want)
	case !strings.HasPrefix(err.Error(), "User: "+consumer.ARN+" is not authorized to perform: sqs:SendMessage on resource: "+queue+" "):
		t.Errorf("error %v has not AWS's form", err)
	}
}

// A decision is cached for a second, or until the policies change.
func TestRemembered(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := &directory{principal: Principal{Policies: []*iam.Policy{policy(t, "p", iam.IdentityPolicy, `{"Effect":"Allow","Action":"*","Resource":"*"}`)}}}
	g := New(Options{Directory: d, Now: func() time.Time { return now }})
	ctx := access.NewContext(t.Context(), access.Call{Caller: consumer})
	allow := func(asked int) {
		t.Helper()
		if err := g.Allow(ctx, access.Check{Action: "sqs:SendMessage", Resource: queue}); (err == nil) != (d.principal.Policies != nil) || d.asked != asked {
			t.Errorf("error %v, asked %d times, want %d", err, d.asked, asked)
		}
	}
	allow(1)
	allow(1)
	now = now.Add(time.Second)
	allow(2)
	d.principal, d.generation = Principal{}, 1
	allow(3)
	allow(3)
}

func TestAnonymous(t *testing.T) {
	g := New(Options{Directory: &directory{}, Now: time.Now})
	open := policy(t, "open", iam.ResourcePolicy, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`)
	check := access.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Policy: open}
	if err := g.Allow(t.Context(), check); err != nil {
		t.Errorf("what everybody may do: %v", err)
	}
	check.Policy = nil
	if err := g.Allow(t.Context(), check); err == nil {
		t.Error("nobody was let in")
	}
}

// The table lists who called what. Compared with the policies, it shows which permissions
// nobody used.
func TestCalls(t *testing.T) {
	p := policy(t, "p", iam.IdentityPolicy, `{"Effect":"Allow","Action":["sqs:SendMessage","sqs:Receive*","s3:PutObject"],"Resource":"*"}`)
	g := New(Options{Directory: &directory{principal: Principal{Policies: []*iam.Policy{p}}}, Now: time.Now})
	ctx := access.NewContext(t.Context(), access.Call{Caller: consumer})
	for _, check := range []access.Check{
		{Action: "sqs:SendMessage", Resource: queue},
		{Action: "sqs:SendMessage", Resource: queue},
		{Action: "sqs:DeleteMessage", Resource: queue},
		{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/a"},
		{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/c"},
	} {
		_ = g.Allow(ctx, check)
	}
	table := g.Calls().Table()
	want := fmt.Sprint([]Count{
		{consumer.Role, "s3:PutObject", "arn:aws:s3:::b/*", 2, 0},
		{consumer.Role, "sqs:DeleteMessage", queue, 0, 1},
		{consumer.Role, "sqs:SendMessage", queue, 2, 0},
	})
	if got := fmt.Sprint(table); got != want {
		t.Errorf("table %s, want %s", got, want)
	}
	unused := UnusedBy(table, map[string][]*iam.Policy{consumer.Role: {p}, "other": {p}})
	if got, want := fmt.Sprint(unused), fmt.Sprint([]Unused{{consumer.Role, []string{"sqs:Receive*"}}, {"other", []string{"s3:PutObject", "sqs:Receive*", "sqs:SendMessage"}}}); got != want {
		t.Errorf("unused %s, want %s", got, want)
	}
	g.Calls().Reset()
	if table := g.Calls().Table(); len(table) != 0 {
		t.Errorf("after Reset: %v", table)
	}
}

// A caller that asks for a new resource each time fills neither the cache nor the table.
func TestBounded(t *testing.T) {
	g := New(Options{Directory: &directory{}, Now: time.Now})
	ctx := access.NewContext(t.Context(), access.Call{Caller: consumer})
	for i := range 2 * maxCounts {
		_ = g.Allow(ctx, access.Check{Action: "sqs:SendMessage", Resource: fmt.Sprint(queue, i)})
	}
	table := g.Calls().Table()
	if len(table) > maxCounts+1 || len(g.decided) > maxDecided {
		t.Errorf("%d counts, %d decisions", len(table), len(g.decided))
	}
	total := 0
	for _, row := range table {
		total += row.Denied
	}
	if total != 2*maxCounts {
		t.Errorf("%d calls counted of %d", total, 2*maxCounts)
	}
}
