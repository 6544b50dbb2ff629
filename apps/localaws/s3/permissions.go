package s3

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// allow asks the guard for every permission that a request needs.
func (s *Service) allow(r *http.Request, t target, query url.Values) *protocol.Error {
	action := t.action(r.Method)
	if action == "" {
		return notImplemented(r.Method + " of " + t.words())
	}
	check := access.Check{Action: "s3:" + action, Resource: t.arn(), Policy: s.backend.policy(t.bucket), Context: keysOf(action, query)}
	checks := []access.Check{check}
	if t.sub == "delete" {
		var err *protocol.Error
		if checks, err = eachKey(r, t, check); err != nil {
			return err
		}
	}
	if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
		path, _, _ := strings.Cut(source, "?")
		path, err := url.QueryUnescape(path) // as gofakes3 decodes the header of a copy
		if err != nil {
			return &protocol.Error{Code: "InvalidArgument", Message: "copy source encoding is invalid"}
		}
		from, _ := parseTarget(path, nil)
		checks = append(checks, access.Check{Action: "s3:GetObject", Resource: from.arn(), Policy: s.backend.policy(from.bucket)})
	}
	return denied(s.guard.Allow(r.Context(), checks...))
}

func denied(err error) *protocol.Error { return access.Refusal(err, "AccessDenied") }

func (t target) words() string {
	what := "an object"
	switch {
	case t.bucket == "":
		return "the service"
	case t.key == "":
		what = "a bucket"
	}
	if t.sub == "" {
		return what
	}
	return what + "'s ?" + t.sub
}

// keysOf returns the condition keys for a list request.
func keysOf(action string, query url.Values) map[string][]string {
	if action != "ListBucket" && action != "ListBucketVersions" {
		return nil
	}
	keys := map[string][]string{}
	for _, name := range []string{"prefix", "delimiter", "max-keys"} {
		if query.Has(name) {
			keys["s3:"+name] = []string{query.Get(name)}
		}
	}
	return keys
}

// maxDelete is the largest body of DeleteObjects: room for a thousand keys of 1,024
// bytes.
const maxDelete = 4 << 20

// eachKey returns a check for every key that DeleteObjects names. AWS answers for each
// key; here one denied key denies the whole call.
func eachKey(r *http.Request, t target, check access.Check) ([]access.Check, *protocol.Error) {
	body, tooLarge := protocol.ReadBody(r, maxDelete)
	if tooLarge != nil {
		return nil, malformedXML
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Object) > 1000 {
		return nil, malformedXML
	}
	var checks []access.Check
	for _, o := range in.Object {
		check.Resource = target{bucket: t.bucket, key: o.Key}.arn()
		checks = append(checks, check)
	}
	return checks, nil
}

var malformedXML = &protocol.Error{
	Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema",
	Status: http.StatusBadRequest,
}
