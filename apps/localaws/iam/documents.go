package iam

import (
	"crypto/rand"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Quotas of an account that has not requested higher ones:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxRoles     = 1000
	maxPolicies  = 1500
	maxProviders = 100
	maxAttached  = 10
	maxVersions  = 5
	maxTags      = 50
	maxClients   = 100

	// Documents are measured in characters, white space not counted.
	maxTrust   = 2048
	maxManaged = 6144
	maxInline  = 10240 // of all of a role together

	minSession, defaultSession, maxSession = 3600, 3600, 43200
)

func noSuchEntity(format string, args ...any) *protocol.Error {
	return query.Errorf("NoSuchEntity", http.StatusNotFound, format, args...)
}

func alreadyExists(format string, args ...any) *protocol.Error {
	return query.Errorf("EntityAlreadyExists", http.StatusConflict, format, args...)
}

func limitExceeded(format string, args ...any) *protocol.Error {
	return query.Errorf("LimitExceeded", http.StatusConflict, format, args...)
}

func deleteConflict(format string, args ...any) *protocol.Error {
	return query.Errorf("DeleteConflict", http.StatusConflict, format, args...)
}

func validation(format string, args ...any) *protocol.Error {
	return query.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}

// parse parses a document that IAM stores.
func parse(name string, kind iam.Kind, text string, limit int) (document, *protocol.Error) {
	if text == "" {
		return document{}, validation("the policy document is missing")
	}
	if n := characters(text); n > limit {
		return document{}, limitExceeded("Cannot exceed quota for %s: %d", quotaName(kind, limit), limit)
	}
	parsed, err := iam.Parse(name, kind, []byte(text))
	if err != nil {
		return document{}, query.Errorf("MalformedPolicyDocument", http.StatusBadRequest, "%v", err)
	}
	return document{text, parsed}, nil
}

func quotaName(kind iam.Kind, limit int) string {
	switch {
	case kind == iam.TrustPolicy:
		return "ACLSizePerRole"
	case limit == maxManaged:
		return "PolicySize"
	}
	return "PolicySize of a role"
}

// characters counts a text's characters as IAM does.
func characters(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

var (
	entityName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	policyName = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	entityPath = regexp.MustCompile(`^(/|/[!-~]{1,510}/)$`)
)

func checkName(parameter, name string, form *regexp.Regexp) *protocol.Error {
	if !form.MatchString(name) {
		return validation(
			"The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
			parameter,
		)
	}
	return nil
}

func checkPath(path string) *protocol.Error {
	if !entityPath.MatchString(path) {
		return validation(
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
		)
	}
	return nil
}

// tag is a tag in a request or an answer.
type tag = query.Tag

// tagged returns the current tags with some added, all or none.
func tagged(current map[string]string, added []tag) (map[string]string, *protocol.Error) {
	next := maps.Clone(current)
	if next == nil {
		next = map[string]string{}
	}
	seen := map[string]bool{}
	for _, t := range added {
		switch lower := strings.ToLower(t.Key); {
		case t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256:
			return nil, validation("the tag %q is invalid: a key of 1 to 128 and a value of at most 256 characters", t.Key)
		case strings.HasPrefix(lower, "aws:"):
			return nil, query.Errorf("InvalidInput", http.StatusBadRequest, "the tag %q is invalid: aws: is reserved", t.Key)
		case seen[lower]:
			return nil, query.Errorf(
				"InvalidInput",
				http.StatusBadRequest,
				"Duplicate tag keys found. Please note that Tag keys are case insensitive.",
			)
		default:
			seen[lower] = true
		}
		next[t.Key] = t.Value
	}
	if len(next) > maxTags {
		return nil, limitExceeded("The number of tags has reached the maximum limit: %d", maxTags)
	}
	return next, nil
}

func untagged(current map[string]string, keys []string) map[string]string {
	next := maps.Clone(current)
	for _, key := range keys {
		delete(next, key)
	}
	return next
}

// newID returns a unique identifier with the prefix of its kind:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func newID(prefix string) string { return prefix + rand.Text()[:17] }

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
