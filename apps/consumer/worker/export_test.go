package worker

import "time"

// The worker's constants for its tests.
const (
	Attempts        = attempts
	MaxReason       = maxReason
	ResultNew       = resultNew
	ResultDuplicate = resultDuplicate
	DeleteDelay     = deleteDelay
)

// SetTimes replaces times that the configuration fixes.
func (w *Worker) SetTimes(longPoll, finish, drain time.Duration) {
	w.longPoll, w.finish, w.drain = longPoll, finish, drain
}
