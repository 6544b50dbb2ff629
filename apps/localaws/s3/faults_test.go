package s3

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

func TestFaultsOfS3(t *testing.T) {
	b := newBench(t)
	b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Code: "SlowDown", Status: 503})
	err := b.put("key", "v", false)
	servicetest.Code(b, err, "SlowDown")
	b.status(err, 503)
	if _, err := b.get("key"); err == nil {
		t.Error("the object was stored nevertheless")
	}

	b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Code: "InternalError", Status: 500, Late: true})
	servicetest.Code(b, b.put("key", "v", true), "InternalError")
	if got, err := b.get("key"); err != nil || got != "v" {
		t.Errorf("after an answer that got lost: %q, %v", got, err)
	}
	servicetest.Code(b, b.put("key", "v", true), "PreconditionFailed")

	b.faults.Add(fault.Fault{Action: "S3:HEAD", Times: 1, Code: "AccessDenied", Status: 403})
	_, err = b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String("key")})
	b.status(err, http.StatusForbidden)
}

// Latency passes on the server's clock. Latency alone is no error.
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

// S3 throttles with SlowDown, status 503.
func TestSlowDown(t *testing.T) {
	b := newBench(t)
	b.faults.Set(1, fault.Fault{Action: "S3:*", Rate: 0.3, Code: "SlowDown"})
	stored, slowed := 0, 0
	for i := range 100 {
		if err := b.put(fmt.Sprint(i), "v", true); err != nil {
			servicetest.Code(b, err, "SlowDown")
			b.status(err, http.StatusServiceUnavailable)
			slowed++
			continue
		}
		stored++
	}
	if slowed < 15 || slowed > 45 {
		t.Errorf("%d of 100 were slowed down, want about 30", slowed)
	}
	b.faults.Set(0)
	out, err := b.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(testBucket)})
	b.ok(err)
	if len(out.Contents) != stored {
		t.Errorf("%d objects, want %d", len(out.Contents), stored)
	}
}

// The answer gets lost: the connection is closed before or after the object is stored.
func TestLostPut(t *testing.T) {
	for _, late := range []bool{false, true} {
		b := newBench(t)
		b.faults.Add(fault.Fault{Action: "S3:PUT", Times: 1, Lost: true, Late: late})
		if err := b.put("key", "v", true); err == nil {
			t.Error("an answer")
		}
		if err := b.put("key", "v", true); late {
			servicetest.Code(b, err, "PreconditionFailed")
		} else {
			b.ok(err)
		}
	}
}
