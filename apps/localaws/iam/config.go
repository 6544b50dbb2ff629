package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
)

// Config is the initial state of an account, and its settings.
type Config struct {
	// Propagation is how long a change takes until other services see it, such as 5s;
	// empty means at once.
	Propagation string           `json:"propagation,omitempty"`
	Policies    []ManagedPolicy  `json:"policies,omitempty"`
	Roles       []DeclaredRole   `json:"roles,omitempty"`
	Providers   []DeclaredIssuer `json:"providers,omitempty"`
}

// ManagedPolicy is a customer managed policy.
type ManagedPolicy struct {
	Name string `json:"name"`
	Path string `json:"path,omitempty"`
	// Document is a policy as YAML or JSON, or as text that is JSON.
	Document json.RawMessage `json:"document"`
}

// DeclaredRole is a role.
type DeclaredRole struct {
	Name                string                     `json:"name"`
	Path                string                     `json:"path,omitempty"`
	Trust               json.RawMessage            `json:"trust"`
	PermissionsBoundary string                     `json:"permissionsBoundary,omitempty"`
	Policies            map[string]json.RawMessage `json:"policies,omitempty"`
	Attached            []string                   `json:"attached,omitempty"`
	Tags                map[string]string          `json:"tags,omitempty"`
}

// DeclaredIssuer is an OpenID Connect provider.
type DeclaredIssuer struct {
	URL     string   `json:"url"`
	Clients []string `json:"clients"`
}

// NewAccount returns an account. The error names every problem with its field.
func NewAccount(id string, config Config, c clock.Clock) (*Account, error) {
	a := &Account{id: id, clock: c, now: newView()}
	var problems []error
	add := func(field string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("iam.%s: %w", field, err))
		}
	}
	a.seen = a.now // the initial state has propagated
	for i, p := range config.Policies {
		add(fmt.Sprintf("policies[%d]", i), a.declarePolicy(p))
	}
	for i, r := range config.Roles {
		add(fmt.Sprintf("roles[%d]", i), a.declareRole(r))
	}
	for i, p := range config.Providers {
		add(fmt.Sprintf("providers[%d]", i), a.declareProvider(p))
	}
	add("propagation", a.setDelay(config.Propagation))
	return a, errors.Join(problems...)
}

func (a *Account) setDelay(text string) error {
	if text == "" {
		return nil
	}
	delay, err := time.ParseDuration(text)
	if err != nil || delay < 0 || delay > time.Hour {
		return fmt.Errorf("%q: must be a duration from 0s to 1h, such as 5s", text)
	}
	if delay > 0 {
		a.delay = delay
		a.seen = &view{maps.Clone(a.now.roles), maps.Clone(a.now.policies), maps.Clone(a.now.providers)}
	}
	return nil
}

func (a *Account) declarePolicy(declared ManagedPolicy) error {
	text, err := textOf(declared.Document)
	if err != nil {
		return fmt.Errorf("document: %w", err)
	}
	p, err := a.newPolicy(&createPolicyIn{PolicyName: declared.Name, Path: declared.Path, PolicyDocument: text})
	switch {
	case err != nil:
		return err
	case a.now.policies[p.arn] != nil:
		return fmt.Errorf("name: %s is there twice", declared.Name)
	}
	a.putPolicy(p)
	return nil
}

func (a *Account) declareRole(declared DeclaredRole) error {
	trust, err := textOf(declared.Trust)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	in := &createRoleIn{
		RoleName: declared.Name, Path: declared.Path, AssumeRolePolicyDocument: trust, PermissionsBoundary: declared.PermissionsBoundary,
		Tags: query.Tags(declared.Tags),
	}
	r, err := a.newRole(in)
	if err != nil {
		return err
	}
	if _, ok := a.now.managed(r.boundary); !ok && r.boundary != "" {
		return fmt.Errorf("permissionsBoundary: %s is no policy of this configuration, nor of AWS's that are served", r.boundary)
	}
	for _, name := range slices.Sorted(maps.Keys(declared.Policies)) {
		text, err := textOf(declared.Policies[name])
		if err != nil {
			return fmt.Errorf("policies.%s: %w", name, err)
		}
		if r, err = r.withInline(name, text); err != nil {
			return fmt.Errorf("policies.%s: %w", name, err)
		}
	}
	for _, arn := range declared.Attached {
		if r, err = a.attach(r, arn); err != nil {
			return fmt.Errorf("attached: %w", err)
		}
	}
	if a.now.roles[r.name] != nil {
		return fmt.Errorf("name: %s is there twice", declared.Name)
	}
	a.put(r)
	return nil
}

func (a *Account) declareProvider(declared DeclaredIssuer) error {
	p, err := a.newProvider(&createProviderIn{Url: declared.URL, ClientIDList: declared.Clients})
	switch {
	case err != nil:
		return err
	case a.now.providers[p.arn] != nil:
		return fmt.Errorf("url: %s is there twice", declared.URL)
	}
	a.putProvider(p)
	return nil
}

// textOf returns a document as text, in whichever form it is written.
func textOf(document json.RawMessage) (string, error) {
	if len(document) == 0 {
		return "", errors.New("is missing")
	}
	var text string
	if err := json.Unmarshal(document, &text); err == nil {
		return text, nil
	}
	return string(document), nil
}

func jsonOf(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}
