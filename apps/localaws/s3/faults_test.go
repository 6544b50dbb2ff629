package s3

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

func TestFaultsOfS3(t *testing.T) {
	b := newBench(t)
	b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Code: "SlowDown", Status: 503})
	err := b.put("key", "v", false)
	b.code(err, "SlowDown")
	b.status(err, 503)
	if _, err := b.get("key"); err == nil {
		t.Error("the object was stored nevertheless")
	}

	b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Code: "InternalError", Status: 500, Late: true})
	b.code(b.put("key", "v", true), "InternalError")
	if got, err := b.get("key"); err != nil || got != "v" {
		t.Errorf("after an answer that got lost: %q, %v", got, err)
	}
	b.code(b.put("key", "v", true), "PreconditionFailed")

	b.faults.Add(fault.Fault{Action: "S3:HEAD", Times: 1, Code: "AccessDenied", Status: 403})
	_, err = b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String("key")})
	b.status(err, http.StatusForbidden)
}

// Latency is by the server's clock, and alone no error.
func TestLatency(t *testing.T) {
	b := newBench(t)
	b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Latency: time.Minute})
	done := make(chan error, 1)
	go func() { done <- b.put("key", "v", false) }()
	b.clock.BlockUntil(1)
	b.clock.Advance(59 * time.Second)
	select {
	case err := <-done:
		t.Fatalf("the put ended: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	b.clock.Advance(time.Second)
	b.ok(<-done)
}
