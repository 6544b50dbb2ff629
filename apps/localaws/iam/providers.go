package iam

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
)

// issuer returns the provider with an ARN, if the caller may do its action to it.
func (s *Service) issuer(c *call, arn string, keys map[string][]string) (*provider, error) {
	context := map[string][]string{}
	if p := s.now.providers[arn]; p != nil {
		describeTags(context, "aws:ResourceTag/", p.tags)
		describeTags(context, "iam:ResourceTag/", p.tags)
	}
	maps.Copy(context, keys)
	if !strings.HasPrefix(arn, "arn:aws:iam::") {
		return nil, validation("The specified value for OpenIDConnectProviderArn is invalid: %q", arn)
	}
	if err := s.allow(c, arn, context); err != nil {
		return nil, err
	}
	p := s.now.providers[arn]
	if p == nil {
		return nil, noSuchEntity("OpenIDConnect Provider not found for arn %s", arn)
	}
	return p, nil
}

func (a *Account) putProvider(p *provider) { a.change(func(v *view) { v.providers[p.arn] = p }) }

type createProviderIn struct {
	Url                          string
	ClientIDList, ThumbprintList []string
	Tags                         []tag
}

func createProvider(s *Service, c *call, in *createProviderIn) (protocol.Elements, error) {
	p, err := s.newProvider(in)
	if err != nil {
		return nil, err
	}
	keys := requested(in.Tags)
	checks := []access.Check{{Action: "iam:CreateOpenIDConnectProvider", Resource: p.arn, Context: keys}}
	if len(in.Tags) > 0 {
		checks = append(checks, access.Check{Action: "iam:TagOpenIDConnectProvider", Resource: p.arn, Context: keys})
	}
	if err := s.allowed(c, checks...); err != nil {
		return nil, err
	}
	switch {
	case s.now.providers[p.arn] != nil:
		return nil, alreadyExists("Provider with url %s%s already exists.", scheme, p.url)
	case len(s.now.providers) >= maxProviders:
		return nil, limitExceeded("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxProviders)
	}
	s.putProvider(p)
	return protocol.Elements{"OpenIDConnectProviderArn": p.arn, "Tags": query.List(query.Tags(p.tags))}, nil
}

func (a *Account) newProvider(in *createProviderIn) (*provider, error) {
	address, secure := strings.CutPrefix(in.Url, scheme)
	if parsed, err := url.Parse(in.Url); err != nil || !secure || address == "" || parsed.RawQuery != "" || len(in.Url) > 255 {
		return nil, query.Errorf(
			"InvalidInput",
			http.StatusBadRequest,
			"Invalid Open ID Connect Provider URL: it begins with https:// and has no query, not %q",
			in.Url,
		)
	}
	if len(in.ClientIDList) > maxClients {
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	address = strings.TrimSuffix(address, "/")
	p := &provider{
		url:         address,
		arn:         a.providerARN(address),
		created:     a.clock.Now(),
		clients:     in.ClientIDList,
		thumbprints: in.ThumbprintList,
		tags:        tags,
	}
	if len(p.thumbprints) == 0 {
		// AWS reads it from the issuer's certificate; here nothing verifies it.
		p.thumbprints = []string{strings.Repeat("0", 40)}
	}
	return p, checkThumbprints(p.thumbprints)
}

func checkThumbprints(thumbprints []string) error {
	if len(thumbprints) == 0 || len(thumbprints) > 5 {
		return query.Errorf("InvalidInput", http.StatusBadRequest, "Thumbprint list must have 1 to 5 entries.")
	}
	for _, text := range thumbprints {
		if len(text) != 40 || strings.Trim(strings.ToLower(text), "0123456789abcdef") != "" {
			return validation("a thumbprint has 40 hexadecimal digits, not %q", text)
		}
	}
	return nil
}

type providerIn struct {
	Arn            string `query:"OpenIDConnectProviderArn"`
	ClientID       string
	ThumbprintList []string
	Tags           []tag
	TagKeys        []string
	page
}

func getProvider(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, nil)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{
		"Url": p.url, "ClientIDList": query.List(p.clients), "ThumbprintList": query.List(p.thumbprints),
		"CreateDate": timestamp(p.created), "Tags": query.List(query.Tags(p.tags)),
	}, nil
}

// deleteProvider also succeeds for a missing provider: "This operation is idempotent; it
// does not fail or return an error if you call the operation for a provider that does not
// exist."
func deleteProvider(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	if err := s.allow(c, in.Arn, s.providerKeys(in.Arn)); err != nil {
		return nil, err
	}
	s.change(func(v *view) { delete(v.providers, in.Arn) })
	return nil, nil
}

func (s *Service) providerKeys(arn string) map[string][]string {
	keys := map[string][]string{}
	if p := s.now.providers[arn]; p != nil {
		describeTags(keys, "aws:ResourceTag/", p.tags)
	}
	return keys
}

type arnAnswer struct{ Arn string }

func listProviders(s *Service, c *call, _ *struct{}) (protocol.Elements, error) {
	if err := s.allow(c, "arn:aws:iam::"+s.id+":oidc-provider/*", nil); err != nil {
		return nil, err
	}
	var found []arnAnswer
	for _, arn := range slices.Sorted(maps.Keys(s.now.providers)) {
		found = append(found, arnAnswer{arn})
	}
	return protocol.Elements{"OpenIDConnectProviderList": query.List(found)}, nil
}

func updateThumbprint(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, nil)
	if err != nil {
		return nil, err
	}
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	p = p.edit()
	p.thumbprints = in.ThumbprintList
	s.putProvider(p)
	return nil, nil
}

func addClientID(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, nil)
	switch {
	case err != nil:
		return nil, err
	case in.ClientID == "":
		return nil, validation("clientID must have 1 to 255 characters")
	case slices.Contains(p.clients, in.ClientID):
		return nil, nil
	case len(p.clients) >= maxClients:
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
	}
	p = p.edit()
	p.clients = append(p.clients, in.ClientID)
	s.putProvider(p)
	return nil, nil
}

func removeClientID(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, nil)
	if err != nil {
		return nil, err
	}
	p = p.edit()
	p.clients = slices.DeleteFunc(p.clients, func(id string) bool { return id == in.ClientID })
	s.putProvider(p)
	return nil, nil
}

func tagProvider(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, requested(in.Tags))
	if err != nil {
		return nil, err
	}
	tags, invalid := tagged(p.tags, in.Tags)
	if invalid != nil {
		return nil, invalid
	}
	p = p.edit()
	p.tags = tags
	s.putProvider(p)
	return nil, nil
}

func untagProvider(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	p = p.edit()
	p.tags = untagged(p.tags, in.TagKeys)
	s.putProvider(p)
	return nil, nil
}

func listProviderTags(s *Service, c *call, in *providerIn) (protocol.Elements, error) {
	p, err := s.issuer(c, in.Arn, nil)
	if err != nil {
		return nil, err
	}
	tags, out, err := cut(in.page, query.Tags(p.tags), func(t tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	out["Tags"] = query.List(tags)
	return out, nil
}
