package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func at(t *testing.T, text string) func() time.Time {
	t.Helper()
	now, err := time.Parse(timeFormat, text)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return now }
}

// request returns a request as a server gets it.
func request(method, host, target string, header map[string]string, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = host
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

func authorization(key, scope, headers, signature string) string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s/aws4_request,SignedHeaders=%s,Signature=%s", key, scope, headers, signature)
}

func verify(r *http.Request, now func() time.Time, secret string) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	return NewVerifier("us-east-1", now, "iam").Verify(r, s, secret)
}

// The signatures are those of AWS's documentation for these requests:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html
func TestDocumentedSignatures(t *testing.T) {
	for name, test := range map[string]struct {
		request *http.Request
		secret  string
		now     string
	}{
		"object": {request(http.MethodGet, "examplebucket.s3.amazonaws.com", "/test.txt", map[string]string{
			"Range": "bytes=0-9", "X-Amz-Content-Sha256": emptyHash, "X-Amz-Date": "20130524T000000Z",
			"Authorization": authorization(exampleKey, "20130524/us-east-1/s3", "host;range;x-amz-content-sha256;x-amz-date",
				"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
		}, ""), exampleSecret, "20130524T000000Z"},
		"put": {request(http.MethodPut, "examplebucket.s3.amazonaws.com", "/test%24file.text", map[string]string{
			"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY",
			"X-Amz-Content-Sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			"Authorization": authorization(exampleKey, "20130524/us-east-1/s3", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
				"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
		}, "Welcome to Amazon S3."), exampleSecret, "20130524T000000Z"},
		"list": {request(http.MethodGet, "examplebucket.s3.amazonaws.com", "/?max-keys=2&prefix=J", map[string]string{
			"X-Amz-Content-Sha256": emptyHash, "X-Amz-Date": "20130524T000000Z",
			"Authorization": authorization(exampleKey, "20130524/us-east-1/s3", "host;x-amz-content-sha256;x-amz-date",
				"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
		}, ""), exampleSecret, "20130524T000000Z"},
		"presigned": {request(http.MethodGet, "examplebucket.s3.amazonaws.com", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"+
			"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"+
			"&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", nil, ""), exampleSecret, "20130524T235959Z"},
		"IAM": {request(http.MethodGet, "iam.amazonaws.com", "/?Action=ListUsers&Version=2010-05-08", map[string]string{
			"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Date": "20150830T123600Z",
			"Authorization": authorization("AKIDEXAMPLE", "20150830/us-east-1/iam", "content-type;host;x-amz-date",
				"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
		}, ""), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := verify(test.request, at(t, test.now), test.secret); err != nil {
				t.Errorf("AWS's own signature: %v", err)
			}
		})
	}
}

// chunkedRequest returns the example of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func chunkedRequest(lastSignature string) *http.Request {
	var body bytes.Buffer
	for _, c := range []struct {
		size      int
		signature string
	}{
		{65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
		{1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
		{0, lastSignature},
	} {
		fmt.Fprintf(&body, "%x;chunk-signature=%s\r\n%s\r\n", c.size, c.signature, strings.Repeat("a", c.size))
	}
	return request(http.MethodPut, "s3.amazonaws.com", "/examplebucket/chunkObject.txt", map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256": chunked,
		"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "66560",
		"Authorization": authorization(exampleKey, "20130524/us-east-1/s3",
			"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
	}, body.String())
}

func TestSignedChunks(t *testing.T) {
	now := at(t, "20130524T000000Z")
	r := chunkedRequest("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	if err := verify(r, now, exampleSecret); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != strings.Repeat("a", 66560) || r.ContentLength != 66560 || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes, error %v, headers %v", len(body), err, r.Header)
	}
	wrong := chunkedRequest("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df8")
	wantKind(t, verify(wrong, now, exampleSecret), Mismatch)
}

func wantKind(t *testing.T, err error, kind Kind) {
	t.Helper()
	var failure *Failure
	if !errors.As(err, &failure) || failure.Kind != kind {
		t.Errorf("error %v, want a failure of the kind %d", err, kind)
	}
}

// sign signs as the SDK does.
func sign(t *testing.T, r *http.Request, service, token string, now time.Time) *http.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == s3Service })
	if service == s3Service {
		r.Header.Set(contentHash, hashOf(body))
	}
	credentials := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: token}
	if err := signer.SignHTTP(context.Background(), credentials, r, hashOf(body), service, "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	return r
}

// Each request is signed and then changed.
func TestWhatIsRefused(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		service string
		change  func(*http.Request)
		later   time.Duration
		want    Kind
	}{
		"nothing":         {"sqs", func(*http.Request) {}, 0, 0},
		"nothing of S3":   {"s3", func(*http.Request) {}, 0, 0},
		"within the skew": {"sqs", func(*http.Request) {}, 15 * time.Minute, 0},
		"too late":        {"sqs", func(*http.Request) {}, 15*time.Minute + time.Second, Skewed},
		"too early":       {"sqs", func(*http.Request) {}, -15*time.Minute - time.Second, Skewed},
		"body":            {"sqs", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("other")) }, 0, Mismatch},
		"body of S3":      {"s3", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("other")) }, 0, PayloadMismatch},
		"hash of S3":      {"s3", func(r *http.Request) { r.Header.Set(contentHash, unsigned) }, 0, Mismatch},
		"no hash of S3":   {"s3", func(r *http.Request) { r.Header.Del(contentHash) }, 0, Incomplete},
		"method":          {"sqs", func(r *http.Request) { r.Method = http.MethodPut }, 0, Mismatch},
		"path":            {"s3", func(r *http.Request) { r.URL.Path = "/other" }, 0, Mismatch},
		"query":           {"s3", func(r *http.Request) { r.URL.RawQuery = "acl" }, 0, Mismatch},
		"host":            {"sqs", func(r *http.Request) { r.Host = "other" }, 0, Mismatch},
		"signed header":   {"sqs", func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.DeleteQueue") }, 0, Mismatch},
		"no signed one":   {"sqs", func(r *http.Request) { r.Header.Del("X-Amz-Target") }, 0, Mismatch},
		"unsigned header": {"sqs", func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, 0, UnsignedHeaders},
		"other header":    {"sqs", func(r *http.Request) { r.Header.Set("Via", "proxy") }, 0, 0},
		"date":            {"sqs", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T120001Z") }, 0, Mismatch},
		"day":             {"sqs", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260102T000000Z") }, 0, Mismatch},
		"no date":         {"sqs", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 0, Incomplete},
		"token":           {"sqs", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, 0, Mismatch},
		"signature":       {"sqs", reword("Signature=", "Signature=0"), 0, Incomplete},
		"region":          {"sqs", reword("us-east-1", "eu-west-1"), 0, WrongScope},
		"service":         {"sqs", reword("/sqs/", "/sns/"), 0, Mismatch},
		"no host signed":  {"sqs", reword("host;", ""), 0, Incomplete},
		"algorithm":       {"sqs", reword("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 0, Incomplete},
		"no fields":       {"sqs", func(r *http.Request) { r.Header.Set("Authorization", algorithm+" x") }, 0, Incomplete},
		"no signature":    {"sqs", func(r *http.Request) { r.Header.Del("Authorization") }, 0, Missing},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodPost, "localhost:4566", "/a%2Fb/c%20d?x=1&y", map[string]string{"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "a/b"}, "{}")
			if test.service == "s3" {
				r = request(http.MethodPut, "localhost:4566", "/bucket/a%2Fb%20c+d?x-id=PutObject", map[string]string{"Content-Type": "a/b"}, "body")
			}
			r = sign(t, r, test.service, "token", now)
			test.change(r)
			err := verify(r, func() time.Time { return now.Add(test.later) }, exampleSecret)
			if test.want == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			wantKind(t, err, test.want)
		})
	}
}

func reword(old, replacement string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
	}
}

func TestPresigned(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		expires string
		change  func(string) string
		later   time.Duration
		want    Kind
	}{
		"in time":      {"60", same, time.Minute, 0},
		"too late":     {"60", same, time.Minute + time.Second, Expired},
		"too early":    {"60", same, -16 * time.Minute, Skewed},
		"other object": {"60", func(u string) string { return strings.Replace(u, "/key", "/other", 1) }, 0, Mismatch},
		"longer":       {"60", func(u string) string { return strings.Replace(u, "Expires=60", "Expires=600", 1) }, 0, Mismatch},
		"more":         {"60", func(u string) string { return u + "&acl=" }, 0, Mismatch},
		"eight days":   {"691200", same, 0, Incomplete},
		"no number":    {"soon", same, 0, Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodGet, "localhost", "/bucket/key?X-Amz-Expires="+test.expires, nil, "")
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			credentials := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: "token"}
			url, _, err := signer.PresignHTTP(t.Context(), credentials, r, unsigned, "s3", "us-east-1", now)
			if err != nil {
				t.Fatal(err)
			}
			err = verify(request(http.MethodGet, "localhost", test.change(url), nil, ""), func() time.Time { return now.Add(test.later) }, exampleSecret)
			if test.want == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			wantKind(t, err, test.want)
		})
	}
}

func same(url string) string { return url }

// An invalid signature is refused and crashes nothing.
func FuzzVerify(f *testing.F) {
	f.Add(authorization(exampleKey, "20130524/us-east-1/s3", "host;x-amz-date", strings.Repeat("0", 64)), "20130524T000000Z", "a=b", chunked, []byte("1;chunk-signature=0\r\na\r\n"))
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=host,Signature=", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=-1", unsigned, []byte{})
	f.Fuzz(func(t *testing.T, header, date, query, hash string, body []byte) {
		r := httptest.NewRequest(http.MethodPut, "/bucket/key", bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set(contentHash, hash)
		err := verify(r, func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }, exampleSecret)
		var failure *Failure
		if !errors.As(err, &failure) {
			t.Errorf("error %v, want a failure: nobody signed this", err)
		}
	})
}

// Chunks that end anywhere are refused and crash nothing.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5;chunk-signature=abc\r\nhello\r\n0;chunk-signature=d\r\n\r\n"))
	f.Add([]byte("ffffffffffffffff;chunk-signature=\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for len(body) > 0 {
			c, rest, err := nextChunk(body)
			if err != nil {
				return
			}
			if len(rest)+len(c.data) >= len(body) {
				t.Fatalf("a chunk of %d bytes leaves %d of %d", len(c.data), len(rest), len(body))
			}
			body = rest
		}
	})
}
