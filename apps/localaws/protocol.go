package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// call is one request to an SQS action.
type call struct {
	ctx          context.Context
	action, host string
	*request
}

// request is every field of every action that is served: an action reads the
// ones that it has.
type request struct {
	QueueName, QueueUrl, QueueNamePrefix, QueueOwnerAWSAccountId string
	ReceiptHandle                                                string
	VisibilityTimeout, WaitTimeSeconds, MaxNumberOfMessages      *int
	MessageAttributeNames, AttributeNames                        []string
	MessageSystemAttributeNames                                  []string
	Attributes, Tags                                             map[string]string
	TagKeys                                                      []string
	MaxResults                                                   *int
	NextToken                                                    string
	Entries                                                      []entry
	newMessage
}

// entry is one of a batch, of any kind.
type entry struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int
	newMessage
}

// newMessage is what SendMessage and an entry of SendMessageBatch share.
type newMessage struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]messageAttribute
	MessageSystemAttributes map[string]messageAttribute
	MessageDeduplicationId  string
}

// decode reads a request body. Unknown fields are ignored, as AWS does.
func decode(data []byte) (*request, *apiError) {
	in := &request{}
	if len(data) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(data, in); err != nil {
		return nil, &apiError{code: "SerializationException", message: "the request is not JSON of the right types: " + err.Error()}
	}
	return in, nil
}

// apiError is an error in the shape of the JSON 1.0 protocol.
type apiError struct {
	// code is the name of the error's shape in the API's model.
	code, message string
	// status 0 is the model's.
	status   int
	receiver bool
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// legacy are the errors whose code or status in the query protocol differs
// from shape name and 400. SDKs read that code from a header of its own:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
var legacy = map[string]struct {
	code   string
	status int
}{
	"BatchEntryIdsNotDistinct":     {"AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400},
	"BatchRequestTooLong":          {"AWS.SimpleQueueService.BatchRequestTooLong", 400},
	"EmptyBatchRequest":            {"AWS.SimpleQueueService.EmptyBatchRequest", 400},
	"InvalidAddress":               {"InvalidAddress", 404},
	"InvalidBatchEntryId":          {"AWS.SimpleQueueService.InvalidBatchEntryId", 400},
	"InvalidSecurity":              {"InvalidSecurity", 403},
	"MessageNotInflight":           {"AWS.SimpleQueueService.MessageNotInflight", 400},
	"OverLimit":                    {"OverLimit", 403},
	"PurgeQueueInProgress":         {"AWS.SimpleQueueService.PurgeQueueInProgress", 403},
	"QueueDeletedRecently":         {"AWS.SimpleQueueService.QueueDeletedRecently", 400},
	"QueueDoesNotExist":            {"AWS.SimpleQueueService.NonExistentQueue", 400},
	"QueueNameExists":              {"QueueAlreadyExists", 400},
	"ReceiptHandleIsInvalid":       {"ReceiptHandleIsInvalid", 404},
	"RequestThrottled":             {"RequestThrottled", 403},
	"TooManyEntriesInBatchRequest": {"AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400},
	"UnsupportedOperation":         {"AWS.SimpleQueueService.UnsupportedOperation", 400},
}

// legacyCode is also the code of a batch's failed entry.
func (e *apiError) legacyCode() string {
	if l, ok := legacy[e.code]; ok {
		return l.code
	}
	return e.code
}

func (e *apiError) httpStatus() int {
	if e.status != 0 {
		return e.status
	}
	if l, ok := legacy[e.code]; ok {
		return l.status
	}
	return http.StatusBadRequest
}

func writeError(w http.ResponseWriter, err *apiError) {
	fault := "Sender"
	if err.receiver {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", err.legacyCode()+";"+fault)
	writeJSON(w, err.httpStatus(), map[string]string{"__type": "com.amazonaws.sqs#" + err.code, "message": err.message})
}

// writeJSON writes nil as an empty object, which is what actions without
// output answer. The answer leaves in one piece with its length, as SQS sends
// it: a client that closes its request when the answer begins must not cut it.
func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		body = struct{}{}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-RequestId", uuid.NewString())
	// The bodies are maps and structs of strings and numbers: they encode.
	answer, _ := json.Marshal(body)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func invalidParameter(format string, args ...any) *apiError {
	return &apiError{code: "InvalidParameterValue", message: fmt.Sprintf(format, args...)}
}

func missing(parameter string) *apiError {
	return &apiError{code: "MissingParameter", message: "the request must contain the parameter " + parameter}
}

// within checks an optional number against what AWS documents for it.
func within(parameter string, value *int, low, high int) *apiError {
	if value == nil || *value >= low && *value <= high {
		return nil
	}
	return invalidParameter("value %d for parameter %s is invalid: must be between %d and %d", *value, parameter, low, high)
}

// first returns the first of several checks that failed.
func first(errs ...*apiError) *apiError {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func or(value *int, otherwise int) int {
	if value == nil {
		return otherwise
	}
	return *value
}
