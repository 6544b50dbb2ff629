package localaws

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// newS3 serves buckets in memory, with the conditional write that the
// consumer's idempotence rests on.
func newS3(buckets []string) (http.Handler, error) {
	backend := s3mem.New()
	for _, bucket := range buckets {
		if err := backend.CreateBucket(bucket); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket, err)
		}
	}
	return &conditionalWrites{backend: backend, next: gofakes3.New(backend).Server()}, nil
}

// conditionalWrites adds `If-None-Match: *` to PutObject: 412 when the key
// exists. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
type conditionalWrites struct {
	backend gofakes3.Backend
	next    http.Handler
	// mu makes the look and the write one step.
	mu sync.Mutex
}

func (c *conditionalWrites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || r.Header.Get("If-None-Match") != "*" {
		c.next.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if object, err := c.backend.HeadObject(bucket, key); err == nil {
		object.Contents.Close()
		writeS3Error(w, &apiError{code: "PreconditionFailed", message: "at least one of the preconditions you specified did not hold", status: http.StatusPreconditionFailed})
		return
	}
	c.next.ServeHTTP(w, r)
}

func writeS3Error(w http.ResponseWriter, err *apiError) {
	status := err.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: err.code, Message: err.message})
}
