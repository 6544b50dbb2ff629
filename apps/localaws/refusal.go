package localaws

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sigv4"
)

// refusal answers a request whose signature was not accepted, in the form and
// with the codes of a service.
type refusal func(http.ResponseWriter, *http.Request, error)

// code has the error code for a kind of failure in the query protocol, in the JSON
// protocols, in EC2 and in S3:
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type code struct{ query, json, ec2, s3 string }

var codes = map[sigv4.Kind]code{
	sigv4.Missing:         {"MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure", "AccessDenied"},
	sigv4.Incomplete:      {"IncompleteSignature", "IncompleteSignatureException", "AuthFailure", "AuthorizationHeaderMalformed"},
	sigv4.UnknownKey:      {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId"},
	sigv4.InvalidToken:    {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidToken"},
	sigv4.ExpiredToken:    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "ExpiredToken"},
	sigv4.Mismatch:        {"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "SignatureDoesNotMatch"},
	sigv4.Skewed:          {"SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"},
	sigv4.Expired:         {"SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "AccessDenied"},
	sigv4.UnsignedHeaders: {"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "AccessDenied"},
	sigv4.WrongScope:      {"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "AuthorizationHeaderMalformed"},
	sigv4.PayloadMismatch: {"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "XAmzContentSHA256Mismatch"},
	sigv4.TooLarge:        {"RequestEntityTooLarge", "RequestEntityTooLargeException", "RequestEntityTooLarge", "EntityTooLarge"},
}

// statuses has the HTTP statuses of the codes whose status is not 403.
var statuses = map[string]int{
	"AuthFailure": 401, "RequestExpired": 400, "IncompleteSignature": 400, "IncompleteSignatureException": 400,
	"AuthorizationHeaderMalformed": 400, "InvalidToken": 400, "XAmzContentSHA256Mismatch": 400,
	"RequestEntityTooLarge": 413, "RequestEntityTooLargeException": 413, "EntityTooLarge": 400,
}

// answer returns the error for a failure, with the code of a protocol.
func answer(err error, in func(code) string) *protocol.Error {
	var failure *sigv4.Failure
	if !errors.As(err, &failure) {
		return &protocol.Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError, Receiver: true}
	}
	name := in(codes[failure.Kind])
	return &protocol.Error{Code: name, Message: failure.Message, Status: cmp.Or(statuses[name], http.StatusForbidden)}
}

func refuseQuery(namespace string) refusal {
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		protocol.WriteQueryError(w, namespace, answer(err, func(c code) string { return c.query }))
	}
}

// refuseSQS answers in AWS JSON 1.0. It adds the code of the query protocol in a header,
// because SDKs report that code.
func refuseSQS(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("X-Amzn-Query-Error", answer(err, func(c code) string { return c.query }).Code+";Sender")
	refused := answer(err, func(c code) string { return c.json })
	protocol.WriteJSON(w, refused.Status, map[string]string{"__type": "com.amazon.coral.service#" + refused.Code, "message": refused.Message})
}

// refuseJSON answers in AWS JSON.
func refuseJSON(w http.ResponseWriter, _ *http.Request, err error) {
	refused := answer(err, func(c code) string { return c.json })
	protocol.WriteJSON(w, http.StatusBadRequest, map[string]string{"__type": refused.Code, "message": refused.Message})
}

func refuseRESTJSON(w http.ResponseWriter, _ *http.Request, err error) {
	protocol.WriteRESTJSONError(w, answer(err, func(c code) string { return c.json }), nil)
}

func refuseEC2(w http.ResponseWriter, _ *http.Request, err error) {
	protocol.WriteEC2Error(w, answer(err, func(c code) string { return c.ec2 }))
}

func refuseS3(w http.ResponseWriter, r *http.Request, err error) {
	refused := answer(err, func(c code) string { return c.s3 })
	if refused.Code == "ExpiredToken" {
		refused.Status = http.StatusBadRequest // other protocols have 403
	}
	protocol.WriteXMLError(w, r, refused)
}

// refuseUnknown answers a request for a service that the server does not have.
func refuseUnknown(w http.ResponseWriter, r *http.Request, name string) {
	err := &protocol.Error{Code: "UnknownOperationException", Message: "the local AWS server does not have the service " + name}
	switch {
	case protocol.IsQuery(r):
		protocol.WriteQueryError(w, "", err)
	case r.Header.Get("X-Amz-Target") != "":
		protocol.WriteJSONError(w, err)
	default:
		protocol.WriteRESTJSONError(w, err, nil)
	}
}
