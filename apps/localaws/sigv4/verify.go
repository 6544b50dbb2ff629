package sigv4

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Verifier verifies signatures. It is safe for concurrent use.
type Verifier struct {
	// Now returns the server's time.
	Now func() time.Time
	// Region is the region for which calls are signed. Calls to the services in Global
	// may also be signed for us-east-1.
	Region string
	Global []string

	header, presigned, s3, s3Presigned *v4.Signer
}

// NewVerifier returns a Verifier for a region.
func NewVerifier(region string, now func() time.Time, global ...string) *Verifier {
	raw := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }
	plain := func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true }
	return &Verifier{
		Now: now, Region: region, Global: global,
		header: v4.NewSigner(), presigned: v4.NewSigner(plain), s3: v4.NewSigner(raw), s3Presigned: v4.NewSigner(raw, plain),
	}
}

const (
	// skew is the largest difference between the clocks of both sides.
	skew = 15 * time.Minute
	// maxBody is the limit for services without a limit of their own; maxObject is the
	// limit for an object or a part in S3.
	maxBody   = 16 << 20
	maxObject = 5 << 30

	s3Service = "s3"
	unsigned  = "UNSIGNED-PAYLOAD"
	chunked   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streaming = "STREAMING-"

	contentHash = "X-Amz-Content-Sha256"
)

// emptyHash is the hash of an empty body.
var emptyHash = hashOf(nil)

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Verify checks that the secret signed this request, body included, and that the
// signature is still valid. It reads the body and replaces it, so that it can be read
// again. The error is a *Failure.
func (v *Verifier) Verify(r *http.Request, s *Signature, secret string) error {
	if err := v.inTime(s); err != nil {
		return err
	}
	if s.Region != v.Region && (s.Region != "us-east-1" || !slices.Contains(v.Global, s.Service)) {
		return fail(WrongScope, "Credential should be scoped to a valid region: %q, not %q", v.Region, s.Region)
	}
	if err := s.coversHeaders(r); err != nil {
		return err
	}
	payload, err := payloadHash(r, s)
	if err != nil {
		return err
	}
	want, err := v.compute(r, s, secret, payload)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(want), []byte(s.Hex)) {
		return fail(Mismatch, "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if s.Service == s3Service && !s.Presigned {
		return v.checkObject(r, s, secret, payload)
	}
	return nil
}

func (v *Verifier) inTime(s *Signature) error {
	now := v.Now().UTC()
	switch age := now.Sub(s.Time); {
	case s.Presigned && age > s.Lifetime:
		return fail(Expired, "Request has expired")
	case age > skew && !s.Presigned:
		return fail(Skewed, "Signature expired: %s is now earlier than %s (%s - 15 min.)",
			s.Time.Format(timeFormat), now.Add(-skew).Format(timeFormat), now.Format(timeFormat))
	case age < -skew:
		return fail(Skewed, "Signature not yet current: %s is still later than %s (%s + 15 min.)",
			s.Time.Format(timeFormat), now.Add(skew).Format(timeFormat), now.Format(timeFormat))
	}
	return nil
}

// coversHeaders checks that all of AWS's headers are signed: otherwise a proxy could add
// one.
func (s *Signature) coversHeaders(r *http.Request) error {
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && lower != "x-amz-user-agent" && !slices.Contains(s.Headers, lower) {
			return fail(UnsignedHeaders, "There were headers present in the request which were not signed: %s", lower)
		}
	}
	return nil
}

// payloadHash returns the body's hash that is signed. For S3 it comes from a header, and
// is compared with the body later; for other services it is computed.
func payloadHash(r *http.Request, s *Signature) (string, error) {
	if s.Service == s3Service {
		declared := r.Header.Get(contentHash)
		switch {
		case s.Presigned:
			return unsigned, nil
		case declared == "":
			return "", fail(Incomplete, "Missing required header for this request: x-amz-content-sha256")
		}
		return declared, nil
	}
	body, err := readBody(r, maxBody)
	if err != nil {
		return "", err
	}
	if len(body) == 0 {
		return emptyHash, nil
	}
	return hashOf(body), nil
}

// readBody reads the body and replaces it, so that it can be read again.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, fail(TooLarge, "the body has %d bytes, more than %d", r.ContentLength, limit)
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return nil, fail(Incomplete, "the body cannot be read: %v", err)
	case n > limit:
		return nil, fail(TooLarge, "the body has more than %d bytes", limit)
	}
	r.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
	return body.Bytes(), nil
}

// checkObject checks that the body of an S3 request matches the hash in its header.
func (v *Verifier) checkObject(r *http.Request, s *Signature, secret, declared string) error {
	if declared == unsigned || strings.HasPrefix(declared, streaming) && declared != chunked {
		return nil
	}
	body, err := readBody(r, maxObject)
	if err != nil {
		return err
	}
	if declared == chunked {
		return unchunk(r, s, secret, body)
	}
	if hash := hashOf(body); hash != declared {
		return fail(PayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed: %s, not %s", hash, declared)
	}
	return nil
}

// compute returns the signature that the request should have.
func (v *Verifier) compute(r *http.Request, s *Signature, secret, payload string) (string, error) {
	signed := &http.Request{Method: r.Method, Host: r.Host, Header: make(http.Header, len(s.Headers)), URL: &url.URL{
		Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery,
	}}
	for _, name := range s.Headers {
		key := http.CanonicalHeaderKey(name)
		values, ok := r.Header[key]
		switch {
		case name == "host" || name == "x-amz-date":
		case name == "content-length":
			signed.ContentLength = r.ContentLength
		case !ok:
			return "", fail(Mismatch, "the header %s is signed and not there", name)
		default:
			signed.Header[key] = slices.Clone(values)
		}
	}
	credentials := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: secret}
	if s.Presigned {
		return v.computePresigned(signed, s, credentials, payload)
	}
	signer := v.header
	if s.Service == s3Service {
		signer = v.s3
	}
	if err := signer.SignHTTP(context.Background(), credentials, signed, payload, s.Service, s.Region, s.Time); err != nil {
		return "", fail(Incomplete, "%v", err)
	}
	_, signature, _ := strings.Cut(signed.Header.Get("Authorization"), "Signature=")
	return signature, nil
}

// computePresigned signs the URL without its signature.
func (v *Verifier) computePresigned(signed *http.Request, s *Signature, credentials aws.Credentials, payload string) (string, error) {
	query := signed.URL.Query()
	query.Del("X-Amz-Signature")
	signed.URL.RawQuery = query.Encode()
	signer := v.presigned
	if s.Service == s3Service {
		signer = v.s3Presigned
	}
	result, _, err := signer.PresignHTTP(context.Background(), credentials, signed, payload, s.Service, s.Region, s.Time)
	if err != nil {
		return "", fail(Incomplete, "%v", err)
	}
	_, signature, _ := strings.Cut(result, "&X-Amz-Signature=")
	return signature, nil
}
