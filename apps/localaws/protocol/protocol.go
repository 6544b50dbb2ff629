// Package protocol reads requests and writes answers and errors in AWS's protocols,
// for all services of the local AWS server. SQS speaks JSON 1.0, EKS REST JSON,
// EC2, IAM and STS the query protocol, S3 REST XML. It must not know any service.
package protocol

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"github.com/google/uuid"
)

// Error is an error that a service answers with.
type Error struct {
	// Code is the name of the error's shape in the API's model.
	Code, Message string
	// Status is the HTTP status; 0 is the one that the service has for Code.
	Status int
	// Receiver means that the server is at fault, not the caller.
	Receiver bool
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// WriteJSON answers in the protocol AWS JSON 1.0. A nil body is an empty object, the
// answer of actions without output. The answer is sent as a whole, with its length, as
// AWS does: a client that closes its request when the answer begins must not cut it.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	writeJSON(w, "application/x-amz-json-1.0", status, body)
}

// WriteRESTJSON answers as WriteJSON does, in the protocol REST JSON.
func WriteRESTJSON(w http.ResponseWriter, status int, body any) {
	writeJSON(w, "application/json", status, body)
}

// WriteRESTJSONError answers with an error, and with the fields that the service's model
// adds to it.
func WriteRESTJSONError(w http.ResponseWriter, err *Error, fields map[string]string) {
	body := map[string]string{"message": err.Message}
	maps.Copy(body, fields)
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	WriteRESTJSON(w, cmp.Or(err.Status, http.StatusBadRequest), body)
}

func writeJSON(w http.ResponseWriter, kind string, status int, body any) {
	if body == nil {
		body = struct{}{}
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Amzn-RequestId", uuid.NewString())
	answer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(answer)
	answer.Reset()
	// The bodies are maps and structs of strings and numbers, which always encode.
	_ = json.NewEncoder(answer).Encode(body)
	answer.Truncate(answer.Len() - 1) // the newline at the end
	w.Header().Set("Content-Length", strconv.Itoa(answer.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(answer.Bytes())
}

var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// WriteJSONError answers a request that names no service of this server.
func WriteJSONError(w http.ResponseWriter, err *Error) {
	WriteJSON(w, http.StatusBadRequest, map[string]string{"__type": err.Code, "message": err.Message})
}

// WriteXMLError answers in the protocol REST XML. HEAD gets no body.
func WriteXMLError(w http.ResponseWriter, r *http.Request, err *Error) {
	id := uuid.NewString()
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", id)
	w.WriteHeader(cmp.Or(err.Status, http.StatusBadRequest))
	if r.Method == http.MethodHead {
		return
	}
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName                                    xml.Name `xml:"Error"`
		Code, Message, Resource, RequestId, HostId string
	}{Code: err.Code, Message: err.Message, Resource: r.URL.Path, RequestId: id, HostId: "localaws"})
}
