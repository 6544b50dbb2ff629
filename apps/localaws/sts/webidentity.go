package sts

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

type webIdentityIn struct {
	assumption
	WebIdentityToken string
}

// algorithms are the signature algorithms that AWS accepts:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

const maxToken = 20_000

func assumeRoleWithWebIdentity(s *Service, c *query.Call, in *webIdentityIn) (protocol.Elements, error) {
	role, err := in.check(s.directory)
	if err != nil {
		return nil, err
	}
	who, err := s.identify(c, in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{
		who.issuer + ":sub": {who.subject}, who.issuer + ":aud": who.audience,
		"aws:FederatedProvider": {who.provider}, "sts:RoleSessionName": {in.RoleSessionName},
	}
	decision := iam.Policies{Resource: role.Trust}.Evaluate(iam.Request{
		Principal: iam.Principal{Kind: iam.Federated, ID: who.provider},
		Action:    "sts:AssumeRoleWithWebIdentity", Resource: in.RoleArn, Context: keys,
	})
	if !decision.Allowed() {
		return nil, query.Errorf("AccessDenied", http.StatusForbidden, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	duration, err := in.duration(role.MaxSession)
	if err != nil {
		return nil, err
	}
	out := s.begin(role, in.assumption, duration, map[string][]string{"aws:FederatedProvider": {who.provider}})
	out["SubjectFromWebIdentityToken"], out["Provider"], out["Audience"] = who.subject, who.provider, who.audience[0]
	return out, nil
}

// identity has the claims of a token whose signature was verified.
type identity struct {
	issuer, provider, subject string // the issuer without https://
	audience                  []string
}

func invalidToken(format string, args ...any) error {
	return query.Errorf("InvalidIdentityToken", http.StatusBadRequest, format, args...)
}

// identify verifies a token as AWS does: its issuer has a provider in the account, one of
// the issuer's keys signed it, it is valid now, and its audience is one of the
// provider's.
func (s *Service) identify(ctx context.Context, token string) (identity, error) {
	if len(token) < 4 || len(token) > maxToken {
		return identity{}, validation("webIdentityToken must have 4 to %d characters", maxToken)
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	var said jwt.Claims
	if err != nil || parsed.UnsafeClaimsWithoutVerification(&said) != nil {
		return identity{}, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	provider, ok := s.directory.Provider(said.Issuer)
	if !ok || !strings.HasPrefix(said.Issuer, scheme) {
		return identity{}, invalidToken("No OpenIDConnect provider found in your account for %s", said.Issuer)
	}
	claims, err := s.verified(ctx, parsed, said.Issuer)
	if err != nil {
		return identity{}, err
	}
	now := s.Clock.Now()
	switch {
	case claims.Expiry == nil || !now.Before(claims.Expiry.Time()):
		return identity{}, query.Errorf("ExpiredTokenException", http.StatusBadRequest,
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), expiry(claims))
	case claims.NotBefore != nil && now.Before(claims.NotBefore.Time().Add(-jwt.DefaultLeeway)):
		return identity{}, invalidToken("Token is not yet valid")
	case claims.Subject == "":
		return identity{}, invalidToken("Missing a required claim: sub")
	case !slices.ContainsFunc(claims.Audience, func(aud string) bool { return slices.Contains(provider.Clients, aud) }):
		return identity{}, invalidToken("Incorrect token audience")
	}
	return identity{strings.TrimPrefix(claims.Issuer, scheme), provider.ARN, claims.Subject, claims.Audience}, nil
}

func expiry(claims jwt.Claims) int64 {
	if claims.Expiry == nil {
		return 0
	}
	return claims.Expiry.Time().Unix()
}

// verified returns the claims of a token that one of its issuer's keys signed.
func (s *Service) verified(ctx context.Context, token *jwt.JSONWebToken, issuer string) (claims jwt.Claims, err error) {
	source := s.issuers[issuer]
	if source == nil {
		return claims, invalidToken("Couldn't retrieve verification key from your identity provider: the local AWS server has no keys of %s, "+
			"name them under issuers of its configuration", issuer)
	}
	found, err := source.find(ctx, token.Headers[0].KeyID)
	if err != nil {
		return claims, query.Errorf(
			"IDPCommunicationError",
			http.StatusBadRequest,
			"Couldn't retrieve verification key from your identity provider: %v",
			err,
		)
	}
	for _, key := range found {
		if key.IsPublic() && token.Claims(key.Key, &claims) == nil {
			return claims, nil
		}
	}
	return claims, invalidToken(
		"Couldn't retrieve verification key from your identity provider, " +
			"please reference AssumeRoleWithWebIdentity documentation for requirements",
	)
}
