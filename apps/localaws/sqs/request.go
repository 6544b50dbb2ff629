package sqs

import (
	"context"
	"encoding/json"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// call is one request to an SQS action.
type call struct {
	ctx          context.Context
	action, host string
	faults       *fault.Faults
	hit          fault.Hit
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
func decode(data []byte) (*request, *protocol.Error) {
	in := &request{}
	if len(data) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(data, in); err != nil {
		return nil, &protocol.Error{Code: "SerializationException", Message: "the request is not JSON of the right types: " + err.Error()}
	}
	return in, nil
}

func or(value *int, otherwise int) int {
	if value == nil {
		return otherwise
	}
	return *value
}
