package conformance

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (c *check) put(bucket *string, key, body string) error {
	_, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

func (c *check) putNew(bucket *string, key, body string) error {
	_, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body), IfNoneMatch: aws.String("*")})
	return err
}

func (c *check) get(bucket *string, key, bytesRange string) (string, *s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: bucket, Key: &key}
	if bytesRange != "" {
		in.Range = &bytesRange
	}
	out, err := c.s3.GetObject(c.ctx, in)
	if err != nil {
		return "", nil, err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	return string(data), out, err
}

func (c *check) holds(bucket *string, key, want string) {
	c.Helper()
	got, _, err := c.get(bucket, key, "")
	c.ok(err)
	equal(c, key, got, want)
}

// list returns every key and common prefix, page by page.
func (c *check) list(in *s3.ListObjectsV2Input) string {
	c.Helper()
	var pages []string
	for p := s3.NewListObjectsV2Paginator(c.s3, in); p.HasMorePages() && len(pages) < 20; {
		page, err := p.NextPage(c.ctx)
		c.ok(err)
		var names []string
		for _, o := range page.Contents {
			names = append(names, *o.Key)
		}
		for _, o := range page.CommonPrefixes {
			names = append(names, *o.Prefix)
		}
		pages = append(pages, strings.Join(names, " "))
	}
	return strings.Join(pages, " | ")
}

var s3Cases = []conformanceCase{
	{"CreateBucket", "creates a bucket that HeadBucket finds; another name is not found", func(c *check) {
		_, err := c.s3.HeadBucket(c.ctx, &s3.HeadBucketInput{Bucket: c.bucket()})
		c.ok(err)
		_, err = c.s3.HeadBucket(c.ctx, &s3.HeadBucketInput{Bucket: aws.String(newName())})
		c.code(err, "NotFound")
	}},
	{"DeleteBucket", "refuses a bucket with objects", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "k", "v"))
		_, err := c.s3.DeleteBucket(c.ctx, &s3.DeleteBucketInput{Bucket: b})
		c.code(err, "BucketNotEmpty")
	}},
	{"PutObject", "the newest object of a key is returned unchanged", func(c *check) {
		b := c.bucket()
		key := "events/event_type=sale_event/dt=2026_01_01/a b+c.json"
		c.ok(c.put(b, key, "old"))
		c.ok(c.put(b, key, "new"))
		c.holds(b, key, "new")
	}},
	{"PutObject", "the ETag is the MD5 of the body", func(c *check) {
		out, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{Bucket: c.bucket(), Key: aws.String("k"), Body: strings.NewReader("hello")})
		c.ok(err)
		equal(c, "ETag", aws.ToString(out.ETag), fmt.Sprintf(`"%x"`, md5.Sum([]byte("hello"))))
	}},
	{"PutObject", "type and metadata are returned, and replaced with the object", func(c *check) {
		b := c.bucket()
		_, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{
			Bucket: b, Key: aws.String("k"), Body: strings.NewReader("v"), ContentType: aws.String("application/json"), Metadata: map[string]string{"store": "7"},
		})
		c.ok(err)
		_, out, err := c.get(b, "k", "")
		c.ok(err)
		equal(c, "type", aws.ToString(out.ContentType), "application/json")
		equal(c, "metadata", fmt.Sprint(out.Metadata), "map[store:7]")
		c.ok(c.put(b, "k", "v"))
		_, out, err = c.get(b, "k", "")
		c.ok(err)
		equal(c, "metadata", len(out.Metadata), 0)
	}},
	{"PutObject", "with If-None-Match: * a key is written once", func(c *check) {
		b := c.bucket()
		c.ok(c.putNew(b, "k", "first"))
		c.code(c.putNew(b, "k", "second"), "PreconditionFailed")
		c.holds(b, "k", "first")
	}},
	{"PutObject", "with If-None-Match: *, one of eight concurrent calls succeeds", func(c *check) {
		b := c.bucket()
		var stored atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if err := c.putNew(b, "k", fmt.Sprint(i)); err == nil {
					stored.Add(1)
				} else {
					c.code(err, "PreconditionFailed", "ConditionalRequestConflict")
				}
			})
		}
		all.Wait()
		equal(c, "number stored", stored.Load(), 1)
	}},
	{"PutObject", "with If-Match an object is replaced only if the ETag is its own", func(c *check) {
		b := c.bucket()
		out, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("k"), Body: strings.NewReader("first")})
		c.ok(err)
		replace := func(body string) error {
			_, err := c.s3.PutObject(c.ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("k"), Body: strings.NewReader(body), IfMatch: out.ETag})
			return err
		}
		c.ok(replace("second"))
		c.code(replace("third"), "PreconditionFailed")
		c.holds(b, "k", "second")
	}},
	{"PutObject", "a bucket that does not exist is an error", func(c *check) {
		c.code(c.put(aws.String(newName()), "k", "v"), "NoSuchBucket")
	}},
	{"GetObject", "returns a range of bytes", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "k", "0123456789"))
		got, out, err := c.get(b, "k", "bytes=2-4")
		c.ok(err)
		equal(c, "body", got, "234")
		equal(c, "range", aws.ToString(out.ContentRange), "bytes 2-4/10")
	}},
	{"GetObject", "a key that does not exist is an error", func(c *check) {
		_, _, err := c.get(c.bucket(), "none", "")
		c.code(err, "NoSuchKey")
	}},
	{"HeadObject", "returns length and time; a key that does not exist is not found", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "k", "hello"))
		out, err := c.s3.HeadObject(c.ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("k")})
		c.ok(err)
		equal(c, "length", aws.ToInt64(out.ContentLength), 5)
		equal(c, "a time", out.LastModified != nil && !out.LastModified.IsZero(), true)
		_, err = c.s3.HeadObject(c.ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("none")})
		c.code(err, "NotFound")
	}},
	{"ListObjectsV2", "lists by prefix, in order, in pages", func(c *check) {
		b := c.bucket()
		for _, key := range []string{"b/0", "a/4", "a/0", "a/3", "a/1", "a/2"} {
			c.ok(c.put(b, key, "v"))
		}
		in := &s3.ListObjectsV2Input{Bucket: b, Prefix: aws.String("a/"), MaxKeys: aws.Int32(2)}
		equal(c, "list", c.list(in), "a/0 a/1 | a/2 a/3 | a/4")
		in.MaxKeys = aws.Int32(5)
		equal(c, "list of one full page", c.list(in), "a/0 a/1 a/2 a/3 a/4")
		in.StartAfter = aws.String("a/2")
		equal(c, "list after a/2", c.list(in), "a/3 a/4")
	}},
	{"ListObjectsV2", "rolls up keys by a delimiter; a common prefix counts as one", func(c *check) {
		b := c.bucket()
		for _, key := range []string{"a/1", "a/2", "a/b/3", "ab", "c/4", "c/5"} {
			c.ok(c.put(b, key, "v"))
		}
		in := &s3.ListObjectsV2Input{Bucket: b, Delimiter: aws.String("/")}
		equal(c, "list", c.list(in), "ab a/ c/")
		in.MaxKeys = aws.Int32(1)
		equal(c, "pages", c.list(in), "a/ | ab | c/")
		in.Prefix, in.MaxKeys = aws.String("a/"), nil
		equal(c, "list of a/", c.list(in), "a/1 a/2 a/b/")
	}},
	{"DeleteObject", "deletes an object; a repeated deletion succeeds", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "k", "v"))
		for range 2 {
			_, err := c.s3.DeleteObject(c.ctx, &s3.DeleteObjectInput{Bucket: b, Key: aws.String("k")})
			c.ok(err)
		}
		_, _, err := c.get(b, "k", "")
		c.code(err, "NoSuchKey")
	}},
	{"DeleteObjects", "deletes several objects, also keys that do not exist", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "a", "v"))
		c.ok(c.put(b, "b", "v"))
		out, err := c.s3.DeleteObjects(c.ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{
			Objects: []types.ObjectIdentifier{{Key: aws.String("a")}, {Key: aws.String("none")}},
		}})
		c.ok(err)
		equal(c, "deleted", len(out.Deleted), 2)
		equal(c, "list", c.list(&s3.ListObjectsV2Input{Bucket: b}), "b")
	}},
	{"CopyObject", "copies an object", func(c *check) {
		b := c.bucket()
		c.ok(c.put(b, "from", "v"))
		_, err := c.s3.CopyObject(c.ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("to"), CopySource: aws.String(*b + "/from")})
		c.ok(err)
		c.holds(b, "to", "v")
	}},
	{"CreateMultipartUpload", "parts become an object", func(c *check) {
		b, key := c.bucket(), aws.String("k")
		upload, err := c.s3.CreateMultipartUpload(c.ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key})
		c.ok(err)
		parts := [][]byte{bytes.Repeat([]byte("a"), 5<<20), []byte("b")}
		var done []types.CompletedPart
		for i, body := range parts {
			number := aws.Int32(int32(i + 1))
			out, err := c.s3.UploadPart(c.ctx, &s3.UploadPartInput{Bucket: b, Key: key, UploadId: upload.UploadId, PartNumber: number, Body: bytes.NewReader(body)})
			c.ok(err)
			done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: number})
		}
		_, err = c.s3.CompleteMultipartUpload(c.ctx, &s3.CompleteMultipartUploadInput{
			Bucket: b, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
		c.ok(err)
		c.holds(b, *key, string(bytes.Join(parts, nil)))
	}},
}
