package worker

import "time"

// What the tests know of the worker's inside.
const (
	Attempts        = attempts
	MaxReason       = maxReason
	ResultNew       = resultNew
	ResultDuplicate = resultDuplicate
	DeleteDelay     = deleteDelay
)

// SetTimes shortens what config has fixed.
func (w *Worker) SetTimes(longPoll, finish, drain time.Duration) {
	w.longPoll, w.finish, w.drain = longPoll, finish, drain
}
