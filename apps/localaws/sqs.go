package localaws

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Limits of SQS:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxBatch      = 10
	maxBody       = 1 << 20
	maxVisibility = 43200
	maxWait       = 20
	maxDelay      = 900
	maxAttributes = 10
)

// request is every field of every action that is served: an action reads the
// ones that it has.
type request struct {
	QueueName, QueueUrl, QueueNamePrefix, MessageBody, ReceiptHandle string
	DelaySeconds, VisibilityTimeout, WaitTimeSeconds                 *int
	MaxNumberOfMessages                                              *int
	MessageAttributes                                                map[string]messageAttribute
	MessageAttributeNames, AttributeNames                            []string
	MessageSystemAttributeNames                                      []string
	Attributes                                                       map[string]string
	Entries                                                          []entry
}

type entry struct {
	Id, MessageBody, ReceiptHandle  string
	DelaySeconds, VisibilityTimeout *int
	MessageAttributes               map[string]messageAttribute
}

// apiError is an error in the shape of the JSON 1.0 protocol.
type apiError struct {
	code, message string
	status        int
	receiver      bool
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalid(name string, value, low, high int) *apiError {
	return &apiError{code: "InvalidParameterValue", message: fmt.Sprintf("value %d for parameter %s is invalid: must be between %d and %d", value, name, low, high)}
}

type action func(ctx context.Context, s *Server, r *http.Request, in *request) (any, *apiError)

var actions = map[string]action{
	"CreateQueue":                  createQueue,
	"GetQueueUrl":                  getQueueURL,
	"ListQueues":                   listQueues,
	"DeleteQueue":                  deleteQueue,
	"PurgeQueue":                   purgeQueue,
	"GetQueueAttributes":           getQueueAttributes,
	"SetQueueAttributes":           setQueueAttributes,
	"SendMessage":                  sendMessage,
	"SendMessageBatch":             sendMessageBatch,
	"ReceiveMessage":               receiveMessage,
	"DeleteMessage":                deleteMessage,
	"DeleteMessageBatch":           deleteMessageBatch,
	"ChangeMessageVisibility":      changeMessageVisibility,
	"ChangeMessageVisibilityBatch": changeMessageVisibilityBatch,
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

func (s *Server) queueURL(r *http.Request, name string) string {
	return "http://" + r.Host + "/" + s.config.AccountID + "/" + name
}

// find resolves a queue URL by its path, /account/name, as KEDA and the SDK
// send it.
func (s *Server) find(url string) (*queue, *apiError) {
	parts := strings.Split(url, "/")
	if len(parts) < 2 || parts[len(parts)-2] != s.config.AccountID {
		return nil, noQueue(url)
	}
	return s.named(parts[len(parts)-1])
}

func (s *Server) named(name string) (*queue, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q, ok := s.queues[name]; ok {
		return q, nil
	}
	return nil, noQueue(name)
}

func noQueue(name string) *apiError {
	return &apiError{code: "QueueDoesNotExist", message: fmt.Sprintf("the specified queue %q does not exist", name)}
}

func createQueue(_ context.Context, s *Server, r *http.Request, in *request) (any, *apiError) {
	if err := s.create(in.QueueName, in.Attributes); err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": s.queueURL(r, in.QueueName)}, nil
}

func getQueueURL(_ context.Context, s *Server, r *http.Request, in *request) (any, *apiError) {
	if _, err := s.named(in.QueueName); err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": s.queueURL(r, in.QueueName)}, nil
}

func listQueues(_ context.Context, s *Server, r *http.Request, in *request) (any, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	urls := []string{}
	for name := range s.queues {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			urls = append(urls, s.queueURL(r, name))
		}
	}
	sort.Strings(urls)
	return map[string]any{"QueueUrls": urls}, nil
}

func deleteQueue(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queues, q.name)
	return nil, nil
}

func purgeQueue(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = nil
	return nil, nil
}

func getQueueAttributes(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := s.attributes(q)
	wanted := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			return map[string]any{"Attributes": all}, nil
		}
		if value, ok := all[name]; ok {
			wanted[name] = value
		}
	}
	return map[string]any{"Attributes": wanted}, nil
}

func (s *Server) attributes(q *queue) map[string]string {
	visible, inFlight, delayed := q.counts(s.clock.Now())
	q.mu.Lock()
	defer q.mu.Unlock()
	all := map[string]string{
		"QueueArn":                              s.arn(q.name),
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"DelaySeconds":                          strconv.Itoa(q.settings.delay),
		"VisibilityTimeout":                     strconv.Itoa(q.settings.visibility),
		"MessageRetentionPeriod":                strconv.Itoa(q.settings.retention),
		"ReceiveMessageWaitTimeSeconds":         strconv.Itoa(q.settings.wait),
		"MaximumMessageSize":                    strconv.Itoa(q.settings.maxSize),
	}
	if q.settings.redrivePolicy != "" {
		all["RedrivePolicy"] = q.settings.redrivePolicy
	}
	return all
}

func setQueueAttributes(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.configure(q, in.Attributes)
}

func sendMessage(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return s.send(q, in.MessageBody, in.MessageAttributes, in.DelaySeconds)
}

type sent struct {
	Id                     string `json:"Id,omitempty"`
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:"MD5OfMessageAttributes,omitempty"`
}

func (s *Server) send(q *queue, body string, attributes map[string]messageAttribute, delay *int) (*sent, *apiError) {
	switch {
	case body == "":
		return nil, &apiError{code: "MissingParameter", message: "the request must contain the parameter MessageBody"}
	case len(body) > q.settings.maxSize:
		return nil, &apiError{code: "InvalidParameterValue", message: fmt.Sprintf("one or more parameters are invalid: message must be shorter than %d bytes", q.settings.maxSize)}
	case len(attributes) > maxAttributes:
		return nil, invalid("MessageAttributes", len(attributes), 0, maxAttributes)
	case delay != nil && (*delay < 0 || *delay > maxDelay):
		return nil, invalid("DelaySeconds", *delay, 0, maxDelay)
	}
	wait := q.settings.delay
	if delay != nil {
		wait = *delay
	}
	m := &message{id: newID(), body: body, attributes: attributes}
	q.send(m, wait, s.clock.Now())
	return &sent{MessageId: m.id, MD5OfMessageBody: md5Hex([]byte(body)), MD5OfMessageAttributes: attributesMD5(attributes)}, nil
}

func receiveMessage(ctx context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	n, visibility, wait := value(in.MaxNumberOfMessages, 1), value(in.VisibilityTimeout, q.settings.visibility), value(in.WaitTimeSeconds, q.settings.wait)
	switch {
	case n < 1 || n > maxBatch:
		return nil, invalid("MaxNumberOfMessages", n, 1, maxBatch)
	case visibility < 0 || visibility > maxVisibility:
		return nil, invalid("VisibilityTimeout", visibility, 0, maxVisibility)
	case wait < 0 || wait > maxWait:
		return nil, invalid("WaitTimeSeconds", wait, 0, maxWait)
	}
	out := []map[string]any{}
	for _, m := range s.poll(ctx, q, n, visibility, wait) {
		out = append(out, m.wire(in))
	}
	return map[string]any{"Messages": out}, nil
}

// poll receives, waiting up to wait seconds for the first message.
func (s *Server) poll(ctx context.Context, q *queue, n, visibility, wait int) []message {
	deadline := s.clock.Now().Add(seconds(wait))
	for {
		now := s.clock.Now()
		taken, wake, next := q.receive(n, visibility, now)
		if len(taken) > 0 || !now.Before(deadline) {
			return taken
		}
		until := deadline
		if !next.IsZero() && next.Before(deadline) {
			until = next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-s.clock.After(until.Sub(now)):
		}
	}
}

func (m message) wire(in *request) map[string]any {
	out := map[string]any{"MessageId": m.id, "ReceiptHandle": m.handle, "Body": m.body, "MD5OfBody": md5Hex([]byte(m.body))}
	system := map[string]string{}
	all := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"SentTimestamp":                    millis(m.sent),
		"ApproximateFirstReceiveTimestamp": millis(m.firstSeen),
	}
	for _, name := range append(in.AttributeNames, in.MessageSystemAttributeNames...) {
		if name == "All" {
			system = all
			break
		}
		if v, ok := all[name]; ok {
			system[name] = v
		}
	}
	if len(system) > 0 {
		out["Attributes"] = system
	}
	wanted := map[string]messageAttribute{}
	for key, v := range m.attributes {
		for _, name := range in.MessageAttributeNames {
			prefix, wild := strings.CutSuffix(name, ".*")
			if name == "All" || name == key || wild && strings.HasPrefix(key, prefix) {
				wanted[key] = v
			}
		}
	}
	if len(wanted) > 0 {
		out["MessageAttributes"], out["MD5OfMessageAttributes"] = wanted, attributesMD5(wanted)
	}
	return out
}

func deleteMessage(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.delete(in.ReceiptHandle)
}

func changeMessageVisibility(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.VisibilityTimeout == nil {
		return nil, &apiError{code: "MissingParameter", message: "the request must contain the parameter VisibilityTimeout"}
	}
	return nil, q.changeVisibility(in.ReceiptHandle, *in.VisibilityTimeout, s.clock.Now())
}

func sendMessageBatch(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > maxBody {
		return nil, &apiError{code: "BatchRequestTooLong", message: fmt.Sprintf("batch requests cannot be longer than %d bytes; %d were sent", maxBody, total)}
	}
	return s.batch("SendMessageBatch", in, func(q *queue, e entry) (any, *apiError) {
		result, err := s.send(q, e.MessageBody, e.MessageAttributes, e.DelaySeconds)
		if err != nil {
			return nil, err
		}
		result.Id = e.Id
		return result, nil
	})
}

func deleteMessageBatch(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	return s.batch("DeleteMessageBatch", in, func(q *queue, e entry) (any, *apiError) {
		return map[string]string{"Id": e.Id}, q.delete(e.ReceiptHandle)
	})
}

func changeMessageVisibilityBatch(_ context.Context, s *Server, _ *http.Request, in *request) (any, *apiError) {
	return s.batch("ChangeMessageVisibilityBatch", in, func(q *queue, e entry) (any, *apiError) {
		return map[string]string{"Id": e.Id}, q.changeVisibility(e.ReceiptHandle, value(e.VisibilityTimeout, q.settings.visibility), s.clock.Now())
	})
}

type failure struct {
	Id          string
	Code        string
	Message     string
	SenderFault bool
}

// batch runs one action per entry: the answer is 200 with the entries that
// failed beside those that did not.
func (s *Server) batch(name string, in *request, do func(*queue, entry) (any, *apiError)) (any, *apiError) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Entries) == 0 {
		return nil, &apiError{code: "EmptyBatchRequest", message: "there should be at least one entry in the request"}
	}
	if len(in.Entries) > maxBatch {
		return nil, &apiError{code: "TooManyEntriesInBatchRequest", message: fmt.Sprintf("maximum number of entries per request are %d; %d were sent", maxBatch, len(in.Entries))}
	}
	ids := map[string]bool{}
	for _, e := range in.Entries {
		if ids[e.Id] {
			return nil, &apiError{code: "BatchEntryIdsNotDistinct", message: fmt.Sprintf("id %q repeated", e.Id)}
		}
		ids[e.Id] = true
	}
	successful, failed := []any{}, []failure{}
	for _, e := range in.Entries {
		result, err := any(nil), s.faults.entry(name)
		if err == nil {
			result, err = do(q, e)
		}
		if err != nil {
			failed = append(failed, failure{Id: e.Id, Code: err.code, Message: err.message, SenderFault: !err.receiver})
			continue
		}
		successful = append(successful, result)
	}
	return map[string]any{"Successful": successful, "Failed": failed}, nil
}

func value(p *int, fallback int) int {
	if p == nil {
		return fallback
	}
	return *p
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// attributesMD5 is the checksum that SDKs verify:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func attributesMD5(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	sort.Strings(names)
	var b []byte
	field := func(data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	for _, name := range names {
		a := attributes[name]
		field([]byte(name))
		field([]byte(a.DataType))
		if strings.HasPrefix(a.DataType, "Binary") {
			b = append(b, 2)
			field(a.BinaryValue)
		} else {
			b = append(b, 1)
			field([]byte(a.StringValue))
		}
	}
	return md5Hex(b)
}
