package sqs

import (
	"fmt"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
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

func sendMessageBatch(s *Service, c *call) (any, *protocol.Error) {
	total, letters := 0, make([]letter, len(c.Entries))
	for i, e := range c.Entries {
		total += e.size()
		letters[i] = write(e.Id, e.newMessage)
	}
	return s.batch(c, total, func(q *queue, i int, now time.Time) (any, *protocol.Error) {
		return letters[i].send(q, now)
	})
}

func deleteMessageBatch(s *Service, c *call) (any, *protocol.Error) {
	return s.batch(c, 0, func(q *queue, i int, _ time.Time) (any, *protocol.Error) {
		e := c.Entries[i]
		return idResult{e.Id}, c.delete(q, e.ReceiptHandle)
	})
}

func changeMessageVisibilityBatch(s *Service, c *call) (any, *protocol.Error) {
	return s.batch(c, 0, func(q *queue, i int, now time.Time) (any, *protocol.Error) {
		e := c.Entries[i]
		return idResult{e.Id}, q.changeVisibility(e.ReceiptHandle, e.VisibilityTimeout, now)
	})
}

// batch does each entry on its own. The answer is 200 and lists the failed and the other
// entries. A fault of the whole batch makes it fail before any entry is done.
func (s *Service) batch(c *call, size int, do func(*queue, int, time.Time) (any, *protocol.Error)) (any, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(c.Entries, size); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	out := batchResult{Successful: []any{}, Failed: []failedEntry{}}
	for i, e := range c.Entries {
		var result any
		err := c.faults.Entry(c.action).Answer()
		if err == nil {
			result, err = do(q, i, now)
		}
		if err != nil {
			out.Failed = append(out.Failed, failedEntry{Id: e.Id, Code: legacyCode(err.Code), Message: err.Message, SenderFault: !err.Receiver})
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

func checkBatch(entries []entry, size int) *protocol.Error {
	if len(entries) == 0 {
		return &protocol.Error{Code: "EmptyBatchRequest", Message: "there should be at least one entry in the request"}
	}
	if len(entries) > maxBatch {
		return &protocol.Error{
			Code:    "TooManyEntriesInBatchRequest",
			Message: fmt.Sprintf("there may be at most %d entries in the request, not %d", maxBatch, len(entries)),
		}
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if len(e.Id) > 80 || !isPlain(e.Id) {
			return &protocol.Error{
				Code:    "InvalidBatchEntryId",
				Message: "the entry id " + e.Id + " is invalid: 1 to 80 letters, digits, hyphens and underscores",
			}
		}
		if seen[e.Id] {
			return &protocol.Error{Code: "BatchEntryIdsNotDistinct", Message: "the entry id " + e.Id + " is repeated"}
		}
		seen[e.Id] = true
	}
	if size > maxSize {
		return &protocol.Error{
			Code:    "BatchRequestTooLong",
			Message: fmt.Sprintf("the messages of a batch may have at most %d bytes together, not %d", maxSize, size),
		}
	}
	return nil
}
