// Package iam serves what this system uses of AWS IAM: roles and their policies,
// managed policies, permissions boundaries and OpenID Connect providers, over the
// query protocol. docs/localaws.md has every action, and where it differs from
// AWS.
//
// Account holds its state, which the guard and STS read. The package must not know
// signatures and sessions, and does not evaluate policies: internal/iam does.
package iam

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/authz"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Account has the roles, policies and providers of an account. IAM itself shows a change
// at once; other services see it when it has propagated. It is safe for concurrent use.
type Account struct {
	id    string
	clock clock.Clock
	delay time.Duration

	mu         sync.Mutex
	now        *view
	seen       *view // what other services see; the same as now if nothing is delayed
	coming     []change
	generation uint64
}

// view is one state. Its contents are never changed, only replaced.
type view struct {
	roles     map[string]*role     // by name
	policies  map[string]*policy   // by ARN
	providers map[string]*provider // by ARN
}

func newView() *view {
	return &view{map[string]*role{}, map[string]*policy{}, map[string]*provider{}}
}

// change is on its way to other services.
type change struct {
	at time.Time
	do func(*view)
}

// document is a policy: its text, and the parsed form.
type document struct {
	text   string
	policy *iam.Policy
}

type role struct {
	name, path, id, arn string
	description         string
	created             time.Time
	maxSession          int
	trust               document
	boundary            string // an ARN
	inline              map[string]document
	attached            []string // ARNs
	tags                map[string]string
}

// edit returns a copy of the role that may be changed.
func (r *role) edit() *role {
	next := *r
	next.inline, next.tags, next.attached = maps.Clone(r.inline), maps.Clone(r.tags), slices.Clone(r.attached)
	return &next
}

type policy struct {
	name, path, id, arn string
	description         string
	created, updated    time.Time
	versions            []version // in the order of their creation
	current, made       int
	tags                map[string]string
}

type version struct {
	number  int
	created time.Time
	document
}

func (p *policy) edit() *policy {
	next := *p
	next.versions, next.tags = slices.Clone(p.versions), maps.Clone(p.tags)
	return &next
}

func (p *policy) version(number int) (version, bool) {
	i := slices.IndexFunc(p.versions, func(v version) bool { return v.number == number })
	if i < 0 {
		return version{}, false
	}
	return p.versions[i], true
}

// provider is an OpenID Connect provider.
type provider struct {
	url, arn    string // the URL without https://
	created     time.Time
	clients     []string
	thumbprints []string
	tags        map[string]string
}

func (p *provider) edit() *provider {
	next := *p
	next.clients, next.thumbprints, next.tags = slices.Clone(p.clients), slices.Clone(p.thumbprints), maps.Clone(p.tags)
	return &next
}

// change applies a change now, and for other services when it has propagated. The caller
// holds the lock.
func (a *Account) change(do func(*view)) {
	a.settle()
	do(a.now)
	if a.seen == a.now {
		a.generation++
		return
	}
	a.coming = append(a.coming, change{a.clock.Now().Add(a.delay), do})
}

// settle makes the changes that have propagated visible to other services. The caller
// holds the lock.
func (a *Account) settle() {
	now := a.clock.Now()
	for len(a.coming) > 0 && !a.coming[0].at.After(now) {
		a.coming[0].do(a.seen)
		a.coming = a.coming[1:]
		a.generation++
	}
}

// Generation implements authz.Directory.
func (a *Account) Generation() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	return a.generation
}

// Principal implements authz.Directory.
func (a *Account) Principal(caller *access.Caller) authz.Principal {
	if caller.Role == "" {
		return authz.Principal{Policies: []*iam.Policy{awsManaged[administrator].policy}}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	r := a.seen.role(caller.Role)
	if r == nil {
		return authz.Principal{}
	}
	return authz.Principal{Policies: a.seen.identity(r), Boundary: a.seen.boundary(r), Tags: r.tags}
}

// role returns the role with an ARN.
func (v *view) role(arn string) *role {
	r := v.roles[arn[strings.LastIndex(arn, "/")+1:]]
	if r == nil || r.arn != arn {
		return nil
	}
	return r
}

// identity returns the inline and attached policies of a role.
func (v *view) identity(r *role) (policies []*iam.Policy) {
	for _, name := range slices.Sorted(maps.Keys(r.inline)) {
		policies = append(policies, r.inline[name].policy)
	}
	for _, arn := range r.attached {
		if d, ok := v.managed(arn); ok {
			policies = append(policies, d.policy)
		}
	}
	return policies
}

// noPolicy allows nothing.
var noPolicy = &iam.Policy{Name: "a boundary that is gone", Kind: iam.IdentityPolicy}

func (v *view) boundary(r *role) *iam.Policy {
	if r.boundary == "" {
		return nil
	}
	if d, ok := v.managed(r.boundary); ok {
		return d.policy
	}
	return noPolicy
}

// managed returns the default version of a managed policy, AWS's or the account's.
func (v *view) managed(arn string) (document, bool) {
	if d, ok := awsManaged[arn]; ok {
		return d, true
	}
	p := v.policies[arn]
	if p == nil {
		return document{}, false
	}
	held, ok := p.version(p.current)
	return held.document, ok
}

// Granted returns the policies of every role, by its ARN.
func (a *Account) Granted() map[string][]*iam.Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	granted := map[string][]*iam.Policy{}
	for _, r := range a.now.roles {
		granted[r.arn] = a.now.identity(r)
	}
	return granted
}

// Role is what other services know about a role.
type Role struct {
	ARN, ID    string
	Trust      *iam.Policy
	MaxSession time.Duration
}

// Role finds a role by its ARN, as other services see it.
func (a *Account) Role(arn string) (Role, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	r := a.seen.role(arn)
	if r == nil {
		return Role{}, false
	}
	return Role{r.arn, r.id, r.trust.policy, time.Duration(r.maxSession) * time.Second}, true
}

// Provider is what other services know about an OpenID Connect provider.
type Provider struct {
	ARN     string
	Clients []string
}

// Provider finds the provider of an issuer, with or without https://, as other
// services see it.
func (a *Account) Provider(issuer string) (Provider, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	p := a.seen.providers[a.providerARN(strings.TrimPrefix(issuer, scheme))]
	if p == nil {
		return Provider{}, false
	}
	return Provider{p.arn, p.clients}, true
}

const scheme = "https://"

func (a *Account) providerARN(url string) string {
	return "arn:aws:iam::" + a.id + ":oidc-provider/" + url
}

func (a *Account) roleARN(path, name string) string {
	return "arn:aws:iam::" + a.id + ":role" + path + name
}

func (a *Account) policyARN(path, name string) string {
	return "arn:aws:iam::" + a.id + ":policy" + path + name
}
