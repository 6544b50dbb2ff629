package sigv4

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// unchunk replaces a body of signed chunks with their content. Each chunk's signature
// follows from the one before:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func unchunk(r *http.Request, s *Signature, secret string, body []byte) error {
	seed, err := hex.DecodeString(s.Hex)
	if err != nil {
		return fail(Incomplete, "the signature is not hexadecimal")
	}
	signer := v4.NewStreamSigner(aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: secret}, s.Service, s.Region, seed)
	var content bytes.Buffer
	for {
		c, rest, err := nextChunk(body)
		if err != nil {
			return err
		}
		want, signErr := signer.GetSignature(context.Background(), nil, c.data, s.Time)
		if signErr != nil || !hmac.Equal([]byte(hex.EncodeToString(want)), []byte(c.signature)) {
			return fail(Mismatch, "The chunk signature we calculated does not match the signature you provided.")
		}
		if len(c.data) == 0 {
			break
		}
		content.Write(c.data)
		body = rest
	}
	if declared := r.Header.Get("X-Amz-Decoded-Content-Length"); declared != strconv.Itoa(content.Len()) {
		return fail(PayloadMismatch, "x-amz-decoded-content-length is %q, the chunks have %d bytes", declared, content.Len())
	}
	plain(r, content.Bytes())
	return nil
}

// plain turns the request into one with an unchunked body.
func plain(r *http.Request, content []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	r.Header.Set("Content-Length", strconv.Itoa(len(content)))
	r.Header.Set(contentHash, unsigned)
	r.Header.Del("X-Amz-Decoded-Content-Length")
	var kept []string
	for encoding := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && encoding != "aws-chunked" {
			kept = append(kept, encoding)
		}
	}
	r.Header.Del("Content-Encoding")
	if len(kept) > 0 {
		r.Header.Set("Content-Encoding", strings.Join(kept, ", "))
	}
}

type chunk struct {
	data      []byte
	signature string
}

// nextChunk splits off one chunk: a line with its size and signature, its bytes, and a
// newline.
func nextChunk(body []byte) (c chunk, rest []byte, err error) {
	line, rest, ok := bytes.Cut(body, []byte("\r\n"))
	size, signature, signed := strings.Cut(string(line), ";chunk-signature=")
	n, sizeErr := strconv.ParseUint(size, 16, 32)
	if !ok || !signed || sizeErr != nil || uint64(len(rest)) < n+2 || !bytes.Equal(rest[n:n+2], []byte("\r\n")) {
		return chunk{}, nil, fail(Incomplete, "The request body terminated unexpectedly, or is not made of signed chunks")
	}
	return chunk{rest[:n], signature}, rest[n+2:], nil
}
