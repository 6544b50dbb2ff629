package localaws

import (
	"encoding/xml"
	"fmt"
	"net/http"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// newS3 serves buckets in memory. Conditional writes, on which the consumer's
// idempotence rests, are the library's.
func newS3(buckets []string) (http.Handler, error) {
	backend := s3mem.New()
	for _, bucket := range buckets {
		if err := backend.CreateBucket(bucket); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket, err)
		}
	}
	return gofakes3.New(backend).Server(), nil
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
