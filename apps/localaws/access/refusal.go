package access

import (
	"errors"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Refusal turns a guard's error into a service's answer; nil stays nil. code is the
// service's own code for a denied call.
func Refusal(err error, code string) *protocol.Error {
	var denied *Denied
	var other *protocol.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &denied):
		return &protocol.Error{Code: code, Message: denied.Error(), Status: http.StatusForbidden}
	case errors.As(err, &other):
		return other
	}
	return &protocol.Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError, Receiver: true}
}
