package sqs

import (
	"fmt"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// legacy has the errors whose code in the query protocol differs from the shape's name,
// or whose status is not 400. SDKs read that code from a header:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
var legacy = map[string]struct {
	code   string
	status int
}{
	"AccessDeniedException":        {"AccessDenied", 403},
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

// legacyCode returns an error's code in the query protocol. A batch's failed entries have
// this code, too.
func legacyCode(code string) string {
	if l, ok := legacy[code]; ok {
		return l.code
	}
	return code
}

func httpStatus(err *protocol.Error) int {
	if err.Status != 0 {
		return err.Status
	}
	if l, ok := legacy[err.Code]; ok {
		return l.status
	}
	return http.StatusBadRequest
}

func writeError(w http.ResponseWriter, err *protocol.Error) {
	fault := "Sender"
	if err.Receiver {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", legacyCode(err.Code)+";"+fault)
	protocol.WriteJSON(w, httpStatus(err), map[string]string{"__type": "com.amazonaws.sqs#" + err.Code, "message": err.Message})
}

func invalidParameter(format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: "InvalidParameterValue", Message: fmt.Sprintf(format, args...)}
}

func missing(parameter string) *protocol.Error {
	return &protocol.Error{Code: "MissingParameter", Message: "the request must contain the parameter " + parameter}
}

// within checks that an optional number is within AWS's documented limits.
func within(parameter string, value *int, low, high int) *protocol.Error {
	if value == nil || *value >= low && *value <= high {
		return nil
	}
	return invalidParameter("value %d for parameter %s is invalid: must be between %d and %d", *value, parameter, low, high)
}

// first returns the first of several checks that failed.
func first(errs ...*protocol.Error) *protocol.Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
