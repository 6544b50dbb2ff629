package localaws

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// newS3 serves buckets in memory. Conditional PutObject, on which a consumer's
// idempotence may rest, is the library's: it checks and writes under one lock.
func newS3(buckets []string, clock Clock) (http.Handler, error) {
	at := s3Time{clock}
	backend := s3mem.New(s3mem.WithTimeSource(at))
	for _, bucket := range buckets {
		if err := backend.CreateBucket(bucket); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket, err)
		}
	}
	// No skew limit: it guards signatures, which nobody verifies, and would
	// refuse real clients of a server with a fake clock.
	return gofakes3.New(backend, gofakes3.WithTimeSource(at), gofakes3.WithTimeSkewLimit(0)).Server(), nil
}

// s3Time is a Clock for gofakes3. It formats times as they are, and HTTP wants
// GMT by that name.
type s3Time struct{ Clock }

var gmt = time.FixedZone("GMT", 0)

// Now is in GMT.
func (t s3Time) Now() time.Time { return t.Clock.Now().In(gmt) }

// Since is gofakes3.TimeSource's.
func (t s3Time) Since(then time.Time) time.Duration { return t.Now().Sub(then) }

func (s *Server) serveS3(w http.ResponseWriter, r *http.Request) {
	fault := s.faults.take("S3:"+r.Method, false)
	sleep(r.Context(), s.clock, fault.Latency)
	err := fault.err()
	if err == nil {
		err = misread(r)
	} else if fault.Late {
		s.s3.ServeHTTP(nowhere{http.Header{}}, r)
	}
	if err != nil {
		writeS3Error(w, r, err)
		return
	}
	s.s3.ServeHTTP(w, r)
}

// misread refuses what gofakes3 takes for something else: it would store the
// framing of chunks with a trailer, and write where a condition forbids it.
func misread(r *http.Request) *apiError {
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
	query.Del("x-id") // the SDK's name of the operation
	if r.Method != http.MethodPut || len(query) > 0 || r.Header.Get("X-Amz-Copy-Source") != "" {
		return notImplemented("If-Match or If-None-Match on other writes than PutObject")
	}
	if noneMatch != "" && noneMatch != "*" {
		return notImplemented("If-None-Match with another value than *")
	}
	return nil
}

func notImplemented(what string) *apiError {
	return &apiError{code: "NotImplemented", message: "the local AWS server does not implement " + what, status: http.StatusNotImplemented}
}

// nowhere takes an answer that is lost.
type nowhere struct{ header http.Header }

// Header is http.ResponseWriter's.
func (n nowhere) Header() http.Header { return n.header }

// Write is http.ResponseWriter's.
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader is http.ResponseWriter's.
func (n nowhere) WriteHeader(int) {}

// writeS3Error writes no body to HEAD, which has none.
func writeS3Error(w http.ResponseWriter, r *http.Request, err *apiError) {
	status := err.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: err.code, Message: err.message})
}
