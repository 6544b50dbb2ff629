package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

func (b *bench) get(key string) (string, error) {
	out, err := b.s3.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String(testBucket), Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	return string(data), err
}

func TestObjects(t *testing.T) {
	b := newBench(t)
	key := "events/event_type=sale_event/dt=2026_01_01/a b+c.json"
	b.ok(b.put(key, "old", false))
	b.ok(b.put(key, "new", false))
	if got, err := b.get(key); err != nil || got != "new" {
		t.Errorf("got %q, %v", got, err)
	}
	head, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: &key})
	b.ok(err)
	if *head.ContentLength != 3 || !head.LastModified.Equal(start) {
		t.Errorf("length %d, modified %s, want the clock's %s", *head.ContentLength, head.LastModified, start)
	}
	_, err = b.get("nope")
	servicetest.Fails[*types.NoSuchKey](b, err)
	_, err = b.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("nope"), Key: &key, Body: strings.NewReader("")})
	servicetest.Code(b, err, "NoSuchBucket")
	_, err = b.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(testBucket), Key: &key})
	b.ok(err)
	_, err = b.get(key)
	servicetest.Fails[*types.NoSuchKey](b, err)
}

// A bucket can be created in any region, and deleted once it is empty.
func TestBuckets(t *testing.T) {
	b := newBench(t)
	name := aws.String("made-later")
	b.absent(name)
	_, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: testRegion},
	})
	b.ok(err)
	_, err = b.s3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: name})
	b.ok(err)
	_, err = b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name})
	servicetest.Fails[*types.BucketAlreadyOwnedByYou](b, err)
	_, err = b.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String("k"), Body: strings.NewReader("v")})
	b.ok(err)
	_, err = b.s3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: name})
	servicetest.Code(b, err, "BucketNotEmpty")
	_, err = b.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: name, Key: aws.String("k")})
	b.ok(err)
	_, err = b.s3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: name})
	b.ok(err)
	b.absent(name)
}

func (b *bench) absent(bucket *string) {
	b.Helper()
	_, err := b.s3.HeadBucket(b.Context(), &s3.HeadBucketInput{Bucket: bucket})
	servicetest.Fails[*types.NotFound](b, err)
}

func TestListInPages(t *testing.T) {
	b := newBench(t)
	for i := range 5 {
		b.ok(b.put(fmt.Sprintf("a/%d", i), "v", false))
	}
	b.ok(b.put("b/0", "v", false))
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.s3, &s3.ListObjectsV2Input{Bucket: aws.String(testBucket), Prefix: aws.String("a/"), MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		b.ok(err)
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if got := strings.Join(keys, " "); got != "a/0 a/1 a/2 a/3 a/4" {
		t.Errorf("keys %s", got)
	}
}

// Keys with the same part up to the delimiter form one common prefix. It counts as one
// entry of the page.
func TestListCommonPrefixes(t *testing.T) {
	b := newBench(t)
	for _, key := range []string{"a/1", "a/2", "a/b/3", "ab", "c/4", "c/5", "d"} {
		b.ok(b.put(key, "v", false))
	}
	for _, test := range []struct {
		prefix, after string
		size          int32
		want          string
	}{
		{"", "", 1000, "a/ ab c/ d"},
		{"", "", 1, "a/ ab c/ d"},
		{"", "", 2, "a/ ab c/ d"},
		{"a/", "", 1, "a/1 a/2 a/b/"},
		{"a", "", 3, "a/ ab"},
		{"x", "", 1000, ""},
		{"", "ab", 1, "c/ d"},
	} {
		in := &s3.ListObjectsV2Input{Bucket: aws.String(testBucket), Prefix: &test.prefix, Delimiter: aws.String("/"), MaxKeys: &test.size}
		if test.after != "" {
			in.StartAfter = &test.after
		}
		var got []string
		pages := s3.NewListObjectsV2Paginator(b.s3, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			b.ok(err)
			for _, p := range page.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
			if n := len(page.CommonPrefixes) + len(page.Contents); n > int(test.size) {
				t.Errorf("%+v: a page of %d", test, n)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

// GET returns the metadata and the content type of PUT, and no other headers.
func TestMetadata(t *testing.T) {
	b := newBench(t)
	_, err := b.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(testBucket), Key: aws.String("k"), Body: strings.NewReader("0123456789"),
		ContentType: aws.String("application/json"), Metadata: map[string]string{"store": "7"},
	})
	b.ok(err)
	out, err := b.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(testBucket), Key: aws.String("k"), Range: aws.String("bytes=2-4")})
	b.ok(err)
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	b.ok(err)
	if string(body) != "234" || *out.ContentType != "application/json" || len(out.Metadata) != 1 || out.Metadata["store"] != "7" {
		t.Errorf("body %s, type %s, metadata %v", body, *out.ContentType, out.Metadata)
	}
	b.ok(b.put("k", "v", false))
	head, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String("k")})
	b.ok(err)
	if len(head.Metadata) != 0 {
		t.Errorf("metadata %v of the object before", head.Metadata)
	}
}

func TestHashesOnly(t *testing.T) {
	b := newBenchWith(t, Options{HashesOnly: true})
	b.ok(b.put("k", "hello", true))
	servicetest.Code(b, b.put("k", "hello", true), "PreconditionFailed")
	head, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String("k")})
	b.ok(err)
	if *head.ContentLength != 5 || *head.ETag != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("length %d, ETag %s", *head.ContentLength, *head.ETag)
	}
	_, err = b.get("k")
	servicetest.Code(b, err, "NotImplemented")
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func TestConditionalPut(t *testing.T) {
	b := newBench(t)
	b.ok(b.put("key", "first", true))
	err := b.put("key", "second", true)
	servicetest.Code(b, err, "PreconditionFailed")
	b.status(err, http.StatusPreconditionFailed)
	if got, err := b.get("key"); err != nil || got != "first" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = b.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(testBucket), Key: aws.String("key")})
	b.ok(err)
	b.ok(b.put("key", "third", true))
}

func TestConditionalPutIsAtomic(t *testing.T) {
	b := newBench(t)
	for round := range 5 {
		key := fmt.Sprint(round)
		var stored atomic.Int32
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			all.Go(func() {
				<-begin
				if err := b.put(key, "v", true); err == nil {
					stored.Add(1)
				} else {
					servicetest.Code(b, err, "PreconditionFailed")
				}
			})
		}
		close(begin)
		all.Wait()
		if stored.Load() != 1 {
			t.Errorf("%s was stored as new %d times", key, stored.Load())
		}
	}
}

// Requests that gofakes3 would handle wrongly are refused.
func TestMisreadRequestsAreRefused(t *testing.T) {
	b := newBench(t)
	b.ok(b.put("source", "v", false))
	for name, change := range map[string]func(*http.Request){
		"trailer": func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") },
		"etag":    func(r *http.Request) { r.Header.Set("If-None-Match", `"etag"`) },
		"copy": func(r *http.Request) {
			r.Header.Set("If-None-Match", "*")
			r.Header.Set("X-Amz-Copy-Source", "/events/source")
		},
		"part":         func(r *http.Request) { r.Header.Set("If-None-Match", "*"); r.URL.RawQuery = "partNumber=1&uploadId=1" },
		"other method": func(r *http.Request) { r.Header.Set("If-Match", "*"); r.Method = http.MethodDelete },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, b.base+"/"+testBucket+"/key", bytes.NewReader([]byte("v")))
			b.ok(err)
			change(r)
			answer, err := http.DefaultClient.Do(r)
			b.ok(err)
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusNotImplemented {
				t.Errorf("status %d, want 501", answer.StatusCode)
			}
			if _, err := b.get("key"); err == nil {
				t.Error("it was stored nevertheless")
			}
		})
	}
	b.ok(b.put("key", "v", true))
}
