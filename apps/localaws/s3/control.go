package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// controlTags is the prefix of the paths of S3 Control's tags. A client puts the account
// before the endpoint's host name.
const controlTags = "/v20180820/tags/"

// serveControl serves the tags of a bucket in the form of S3 Control.
func (s *Service) serveControl(w http.ResponseWriter, r *http.Request) *protocol.Error {
	arn, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), controlTags))
	name, ours := strings.CutPrefix(arn, bucketARN)
	if err != nil || !ours {
		return &protocol.Error{Code: "InvalidRequest", Message: "the local AWS server has tags of buckets alone, not of " + arn}
	}
	action := map[string]string{
		http.MethodGet: "ListTagsForResource", http.MethodPost: "TagResource", http.MethodPut: "TagResource", http.MethodDelete: "UntagResource",
	}[r.Method]
	if action == "" {
		return notImplemented(r.Method + " of tags")
	}
	refused := denied(s.guard.Allow(r.Context(), access.Check{Action: "s3:" + action, Resource: arn, Policy: s.backend.policy(name)}))
	if refused != nil {
		return refused
	}
	b, missing := s.backend.settingsOf(name)
	if missing != nil {
		return missing
	}
	return controlled(w, r, b)
}

func controlled(w http.ResponseWriter, r *http.Request, b *bucketSettings) *protocol.Error {
	switch r.Method {
	case http.MethodGet:
		encodeXML(w, struct {
			XMLName xml.Name `xml:"ListTagsForResourceResult"`
			Tags    []tag    `xml:"Tags>Tag"`
		}{Tags: b.tagList()})
	case http.MethodDelete:
		b.removeTags(r.URL.Query()["tagKeys"])
		w.WriteHeader(http.StatusNoContent)
	default:
		var in struct {
			XMLName xml.Name
			Tags    []tag `xml:"Tags>Tag"`
		}
		if err := readXML(r, "TagResourceRequest", &in, &in.XMLName); err != nil {
			return err
		}
		if err := b.addTags(in.Tags, false); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}
