package localaws

import (
	"fmt"
	"regexp"
)

type idResult struct{ Id string }

type failedEntry struct {
	Id, Code, Message string
	SenderFault       bool
}

type batchResult struct {
	Successful []any
	Failed     []failedEntry
}

func sendMessageBatch(s *Server, c *call) (any, *apiError) {
	total := 0
	for _, e := range c.Entries {
		total += e.size()
	}
	return s.batch(c, total, func(q *queue, e entry) (any, *apiError) {
		return s.send(q, e.Id, e.newMessage)
	})
}

func deleteMessageBatch(s *Server, c *call) (any, *apiError) {
	return s.batch(c, 0, func(q *queue, e entry) (any, *apiError) {
		return idResult{e.Id}, q.delete(e.ReceiptHandle)
	})
}

func changeMessageVisibilityBatch(s *Server, c *call) (any, *apiError) {
	now := s.clock.Now()
	return s.batch(c, 0, func(q *queue, e entry) (any, *apiError) {
		return idResult{e.Id}, q.changeVisibility(e.ReceiptHandle, e.VisibilityTimeout, now)
	})
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batch does each entry for itself: the answer is 200 with those that failed
// beside those that did not. What is wrong with the batch as a whole fails it
// before any entry is done.
func (s *Server) batch(c *call, size int, do func(*queue, entry) (any, *apiError)) (any, *apiError) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(c.Entries, size); err != nil {
		return nil, err
	}
	out := batchResult{Successful: []any{}, Failed: []failedEntry{}}
	for _, e := range c.Entries {
		var result any
		err := s.faults.take(c.action, true).err()
		if err == nil {
			result, err = do(q, e)
		}
		if err != nil {
			out.Failed = append(out.Failed, failedEntry{Id: e.Id, Code: err.legacyCode(), Message: err.message, SenderFault: !err.receiver})
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

func checkBatch(entries []entry, size int) *apiError {
	if len(entries) == 0 {
		return &apiError{code: "EmptyBatchRequest", message: "there should be at least one entry in the request"}
	}
	if len(entries) > maxBatch {
		return &apiError{code: "TooManyEntriesInBatchRequest", message: fmt.Sprintf("there may be at most %d entries in the request, not %d", maxBatch, len(entries))}
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !entryID.MatchString(e.Id) {
			return &apiError{code: "InvalidBatchEntryId", message: "the entry id " + e.Id + " is invalid: 1 to 80 letters, digits, hyphens and underscores"}
		}
		if seen[e.Id] {
			return &apiError{code: "BatchEntryIdsNotDistinct", message: "the entry id " + e.Id + " is repeated"}
		}
		seen[e.Id] = true
	}
	if size > maxSize {
		return &apiError{code: "BatchRequestTooLong", message: fmt.Sprintf("the messages of a batch may have at most %d bytes together, not %d", maxSize, size)}
	}
	return nil
}
