// Package sigv4 verifies the signature of a request, as AWS does with Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html): in the header,
// in the query of a presigned URL, and over the chunks of a body. The SDK's own signer
// computes the expected signature.
//
// It must not know error codes of services, policies, or where keys come from.
package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says why a request is refused. Each protocol has a code of its own for it.
type Kind int

// The kinds of Failure.
const (
	// Missing: the request is not signed.
	Missing Kind = iota + 1
	// Incomplete: the signature cannot be parsed.
	Incomplete
	// UnknownKey: the access key does not exist.
	UnknownKey
	// InvalidToken: the session token does not belong to the access key.
	InvalidToken
	// ExpiredToken: the session has expired.
	ExpiredToken
	// Mismatch: the signature does not match this request and this key.
	Mismatch
	// Skewed: the request was signed more than 15 minutes in the past or in the future.
	Skewed
	// Expired: the presigned URL has expired.
	Expired
	// UnsignedHeaders: a header that AWS acts on is not signed.
	UnsignedHeaders
	// WrongScope: the signature is for another region or service.
	WrongScope
	// PayloadMismatch: the body is not the signed one.
	PayloadMismatch
	// TooLarge: the body is larger than any call's.
	TooLarge
)

// Failure says why a request is refused.
type Failure struct {
	Kind    Kind
	Message string
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

func fail(kind Kind, format string, args ...any) *Failure {
	return &Failure{kind, fmt.Sprintf(format, args...)}
}

// Signature is a request's signature, split into its parts.
type Signature struct {
	AccessKey, Token string
	// Day, Region and Service are the credential scope.
	Day, Region, Service string
	Headers              []string
	Hex                  string
	Time                 time.Time
	// Presigned means that the signature is in the query, and is valid for Lifetime.
	Presigned bool
	Lifetime  time.Duration
}

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	// scopeParts are the key, the day, the region, the service and a fixed end.
	scopeParts  = 5
	scopeEnd    = "aws4_request"
	hexLength   = 64
	maxLifetime = 7 * 24 * time.Hour
)

// Parse parses a request's signature. The error is a *Failure; its kind is Missing if
// there is no signature.
func Parse(r *http.Request) (*Signature, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		return parseHeader(r, header)
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-") {
		if query := r.URL.Query(); query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") {
			return parseQuery(query)
		}
	}
	return nil, fail(Missing, "Request is missing Authentication Token")
}

func parseHeader(r *http.Request, header string) (*Signature, error) {
	fields, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return nil, fail(Incomplete, "Unsupported authorization: the header Authorization must begin with %s", algorithm)
	}
	s := &Signature{Token: r.Header.Get("X-Amz-Security-Token")}
	credential := ""
	for field := range strings.SplitSeq(fields, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok {
			return nil, fail(Incomplete, "%q not a valid key=value pair (missing equal-sign) in Authorization header", field)
		}
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			s.Headers = strings.Split(value, ";")
		case "Signature":
			s.Hex = value
		}
	}
	return s, s.complete(credential, r.Header.Get("X-Amz-Date"))
}

func parseQuery(query url.Values) (*Signature, error) {
	if query.Get("X-Amz-Algorithm") != algorithm {
		return nil, fail(Incomplete, "X-Amz-Algorithm must be %s", algorithm)
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	lifetime := time.Duration(seconds) * time.Second
	switch {
	case query.Get("X-Amz-Expires") == "":
		lifetime = skew // STS's limit, which applies to EKS's presigned tokens
	case err != nil || seconds < 0 || seconds > int(maxLifetime/time.Second):
		return nil, fail(Incomplete, "X-Amz-Expires must be a number of seconds, at most %d", int(maxLifetime/time.Second))
	}
	s := &Signature{
		Token: query.Get("X-Amz-Security-Token"), Hex: query.Get("X-Amz-Signature"), Presigned: true, Lifetime: lifetime,
		Headers: strings.Split(query.Get("X-Amz-SignedHeaders"), ";"),
	}
	return s, s.complete(query.Get("X-Amz-Credential"), query.Get("X-Amz-Date"))
}

// complete checks the parts that both forms have, and fills in the rest.
func (s *Signature) complete(credential, date string) error {
	parts := strings.Split(credential, "/")
	if len(parts) < scopeParts || parts[len(parts)-1] != scopeEnd {
		return fail(Incomplete, "Credential must have the form key/date/region/service/%s, not %q", scopeEnd, credential)
	}
	scope := parts[len(parts)-scopeParts+1:]
	s.AccessKey = strings.Join(parts[:len(parts)-scopeParts+1], "/")
	s.Day, s.Region, s.Service = scope[0], scope[1], scope[2]
	if len(s.Hex) != hexLength {
		return fail(Incomplete, "Signature must be %d hexadecimal digits", hexLength)
	}
	if !slices.Contains(s.Headers, "host") {
		return fail(Incomplete, "SignedHeaders must have host")
	}
	at, err := time.Parse(timeFormat, date)
	if err != nil {
		return fail(Incomplete, "X-Amz-Date must have the form %s, not %q", timeFormat, date)
	}
	s.Time = at
	if !strings.HasPrefix(date, s.Day) || len(s.Day) != len("20060102") {
		return fail(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %q != %q", s.Day, date)
	}
	return nil
}
