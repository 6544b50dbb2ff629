package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// bucketSettings are the sub-resources of a bucket.
type bucketSettings struct {
	mu        sync.RWMutex
	documents map[string]string // by sub-resource
	policy    *iam.Policy
	tags      map[string]string
}

func newBucketSettings() *bucketSettings {
	b := &bucketSettings{documents: map[string]string{}}
	for sub, d := range settings {
		if text := d.start(); text != "" {
			b.documents[sub] = text
		}
	}
	return b
}

func (b *bucketSettings) get(sub string) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.documents[sub]
}

func (b *bucketSettings) set(sub, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text == "" {
		delete(b.documents, sub)
		return
	}
	b.documents[sub] = text
}

func (b *bucketSettings) setPolicy(text string, parsed *iam.Policy) {
	b.set("policy", text)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.policy = parsed
}

// settingsOf returns the sub-resources of a bucket.
func (s *store) settingsOf(name string) (*bucketSettings, *protocol.Error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[name]; b != nil {
		return b.settings, nil
	}
	return nil, &protocol.Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist", Status: http.StatusNotFound}
}

// policy returns the policy of a bucket; nil if it has none, or does not exist.
func (s *store) policy(name string) *iam.Policy {
	b, err := s.settingsOf(name)
	if err != nil {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.policy
}

type tag struct{ Key, Value string }

const maxTags = 50

// addTags adds tags to a bucket, or replaces its tags.
func (b *bucketSettings) addTags(added []tag, replace bool) *protocol.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := map[string]string{}
	if !replace {
		maps.Copy(next, b.tags)
	}
	seen := map[string]bool{}
	for _, t := range added {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(t.Key, "aws:") || seen[t.Key] {
			return &protocol.Error{
				Code:    "InvalidTag",
				Message: "The tag " + t.Key + " is invalid or there twice: a key of 1 to 128 and a value of at most 256 characters",
			}
		}
		next[t.Key], seen[t.Key] = t.Value, true
	}
	if len(next) > maxTags {
		return &protocol.Error{Code: "BadRequest", Message: "Bucket tag count cannot be greater than 50"}
	}
	b.tags = next
	return nil
}

func (b *bucketSettings) tagList() (tags []tag) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(b.tags)) {
		tags = append(tags, tag{key, b.tags[key]})
	}
	return tags
}

func (b *bucketSettings) removeTags(keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		delete(b.tags, key)
	}
}

// serveTagging answers ?tagging.
func serveTagging(w http.ResponseWriter, r *http.Request, b *bucketSettings) *protocol.Error {
	var document struct {
		XMLName xml.Name
		Tags    []tag `xml:"TagSet>Tag"`
	}
	switch r.Method {
	case http.MethodPut:
		if err := readXML(r, "Tagging", &document, &document.XMLName); err != nil {
			return err
		}
		if err := b.addTags(document.Tags, true); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		_ = b.addTags(nil, true) // without tags there is nothing wrong
		w.WriteHeader(http.StatusNoContent)
	default:
		document.XMLName, document.Tags = xml.Name{Space: namespace, Local: "Tagging"}, b.tagList()
		if len(document.Tags) == 0 {
			return &protocol.Error{Code: "NoSuchTagSet", Message: "The TagSet does not exist", Status: http.StatusNotFound}
		}
		encodeXML(w, document)
	}
	return nil
}

// readXML decodes a body whose root element has the given name.
func readXML(r *http.Request, root string, into any, name *xml.Name) *protocol.Error {
	body, tooLarge := protocol.ReadBody(r, maxSetting)
	if tooLarge != nil || !wellFormed(body, root) || xml.Unmarshal(body, into) != nil || name.Local != root {
		return malformedXML
	}
	return nil
}

func encodeXML(w http.ResponseWriter, document any) {
	text, err := xml.Marshal(document)
	if err != nil {
		text = []byte("<Error><Code>InternalError</Code></Error>") // strings encode
	}
	writeXML(w, string(text))
}
