// Package s3 serves buckets in memory. github.com/johannesboyne/gofakes3 serves the
// objects. In front of it this package injects faults, checks permissions, serves the
// settings of buckets, and rejects requests that gofakes3 would misread. docs/localaws.md
// has every action, and the differences from AWS.
package s3

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Buckets exist from the start.
	Buckets []string
	// HashesOnly keeps only the size and the hash of an object, not its body. GetObject
	// then answers NotImplemented.
	HashesOnly bool
	// Region is the region of the buckets.
	Region string
	// Guard decides calls; nil allows all.
	Guard  access.Guard
	Clock  clock.Clock
	Faults *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	region  string
	guard   access.Guard
	clock   clock.Clock
	faults  *fault.Faults
	backend *store
	library http.Handler
}

// New returns a service with the empty buckets of the options.
func New(options Options) (*Service, error) {
	at := libraryTime{options.Clock}
	backend := newStore(at.Now, options.HashesOnly)
	for _, bucket := range options.Buckets {
		if err := backend.CreateBucket(bucket); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket, err)
		}
	}
	// No limit on clock skew: it belongs to the signature, which gofakes3 does not
	// verify, and a server with a fake clock would reject real clients.
	library := gofakes3.New(backend, gofakes3.WithTimeSource(at), gofakes3.WithTimeSkewLimit(0)).Server()
	s := &Service{options.Region, options.Guard, options.Clock, options.Faults, backend, library}
	if s.guard == nil {
		s.guard = access.Anyone{}
	}
	return s, nil
}

// libraryTime adapts a Clock for gofakes3, which formats times in their own zone: HTTP
// requires the zone name GMT.
type libraryTime struct{ clock.Clock }

var gmt = time.FixedZone("GMT", 0)

// Now returns the clock's time in GMT.
func (t libraryTime) Now() time.Time { return t.Clock.Now().In(gmt) }

// Since implements gofakes3.TimeSource.
func (t libraryTime) Since(then time.Time) time.Duration { return t.Now().Sub(then) }

// ServeHTTP answers a request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hit := s.faults.Of(r.Context()).Call("S3:" + r.Method)
	clock.Sleep(r.Context(), s.clock, hit.Latency)
	err := misread(r)
	if err == nil && hit.Late {
		_ = s.serve(nowhere{http.Header{}}, r)
	}
	if failure := hit.Answer(); failure != nil {
		err = failure
	}
	if err == nil {
		err = s.serve(w, r)
	}
	if err != nil {
		protocol.WriteXMLError(w, r, err)
	}
}

// serve answers a request, or returns the error with which it is refused.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) *protocol.Error {
	if strings.HasPrefix(r.URL.Path, controlTags) {
		return s.serveControl(w, r)
	}
	query := r.URL.Query()
	t, err := parseTarget(r.URL.Path, query)
	if err != nil {
		return err
	}
	if err := s.allow(r, t, query); err != nil {
		return err
	}
	if _, ok := settings[t.sub]; ok || t.key == "" && (t.sub == "policy" || t.sub == "tagging" || t.sub == "location") {
		return s.serveSetting(w, r, t)
	}
	if t.bucket != "" && t.key == "" {
		w.Header().Set("X-Amz-Bucket-Region", s.region)
		if exists, _ := s.backend.BucketExists(t.bucket); exists && r.Method == http.MethodPut {
			return &protocol.Error{
				Code: "BucketAlreadyOwnedByYou", Status: http.StatusConflict,
				Message: "Your previous request to create the named bucket succeeded and you already own it.",
			}
		}
	}
	s.library.ServeHTTP(w, r)
	return nil
}

// misread rejects the requests that gofakes3 misreads: it would store the framing of
// chunks that have a trailer, and write although a condition forbids it.
func misread(r *http.Request) *protocol.Error {
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if strings.HasPrefix(payload, "STREAMING-") && payload != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
		return notImplemented("the payload " + payload + ": set request_checksum_calculation to when_required")
	}
	match, noneMatch := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads || match == "" && noneMatch == "" {
		return nil
	}
	query := r.URL.Query()
	query.Del("x-id") // the SDK adds the operation's name
	if r.Method != http.MethodPut || len(query) > 0 || r.Header.Get("X-Amz-Copy-Source") != "" {
		return notImplemented("If-Match or If-None-Match on other writes than PutObject")
	}
	if noneMatch != "" && noneMatch != "*" {
		return notImplemented("If-None-Match with another value than *")
	}
	return nil
}

func notImplemented(what string) *protocol.Error {
	return &protocol.Error{
		Code:    "NotImplemented",
		Message: "the local AWS server does not implement " + what,
		Status:  http.StatusNotImplemented,
	}
}

// nowhere discards an answer that is lost.
type nowhere struct{ header http.Header }

// Header implements http.ResponseWriter.
func (n nowhere) Header() http.Header { return n.header }

// Write implements http.ResponseWriter.
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (n nowhere) WriteHeader(int) {}
