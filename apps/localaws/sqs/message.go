package sqs

import (
	"cmp"
	"container/list"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Limits of SQS:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxBatch      = 10
	maxSize       = 1 << 20
	maxVisibility = 43200
	maxWait       = 20
	maxDelay      = 900
	maxRetention  = 1209600
	maxInFlight   = 120000
	maxAttributes = 10
	maxName       = 256
	// maxRequest leaves room for a JSON escape of every byte of a full message.
	maxRequest = 8 * maxSize
)

// message is in exactly one queue, and there either visible or hidden: in
// flight, or delayed if it was not received there yet.
type message struct {
	id, body   string
	attributes map[string]messageAttribute
	trace      string // the AWSTraceHeader
	sent       time.Time

	received                    int // everywhere, as consumers are told
	tries                       int // in this queue, as redrive counts
	firstReceived, lastReceived time.Time
	handle                      string // the newest
	deadLetterSource            string // the ARN of the queue it was moved from

	place *list.Element // in the queue's visible list, nil if hidden
	index int           // in the queue's heap of hidden ones
	due   time.Time     // when it becomes visible
}

func (m *message) inFlight() bool { return m.place == nil && m.tries > 0 }

type messageAttribute struct {
	DataType         string
	StringValue      *string  `json:",omitempty"`
	BinaryValue      []byte   `json:",omitempty"`
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

func (a messageAttribute) value() []byte {
	if a.StringValue != nil {
		return []byte(*a.StringValue)
	}
	return a.BinaryValue
}

func (a messageAttribute) binary() bool { return strings.HasPrefix(a.DataType, "Binary") }

// size is what counts towards the limits: the body, and the name, type and
// value of each attribute.
func (m newMessage) size() int {
	n := len(m.MessageBody)
	for name, a := range m.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.value())
	}
	return n
}

func (m newMessage) check(limit int) *protocol.Error {
	switch {
	case m.MessageBody == "":
		return missing("MessageBody")
	case m.size() > limit:
		return invalidParameter("one or more parameters are invalid: the message, %d bytes with its attributes, must be at most %d bytes", m.size(), limit)
	case m.MessageDeduplicationId != "":
		return invalidParameter("the parameter MessageDeduplicationId is not valid for a standard queue")
	case len(m.MessageAttributes) > maxAttributes:
		return invalidParameter("number of message attributes [%d] exceeds the allowed maximum [%d]", len(m.MessageAttributes), maxAttributes)
	}
	if i := strings.IndexFunc(m.MessageBody, forbidden); i >= 0 {
		return &protocol.Error{Code: "InvalidMessageContents", Message: fmt.Sprintf("the message contains a character outside the allowed set at byte %d", i)}
	}
	for _, name := range slices.Sorted(maps.Keys(m.MessageAttributes)) {
		if err := checkAttribute(name, m.MessageAttributes[name]); err != nil {
			return err
		}
	}
	for name, a := range m.MessageSystemAttributes {
		if name != traceHeader || a.DataType != "String" || a.StringValue == nil || strings.ContainsFunc(*a.StringValue, forbidden) {
			return invalidParameter("message system attribute %q is invalid: only %s, a String of allowed characters, is", name, traceHeader)
		}
	}
	return within("DelaySeconds", m.DelaySeconds, 0, maxDelay)
}

const traceHeader = "AWSTraceHeader"

func (m newMessage) trace() string {
	if a := m.MessageSystemAttributes[traceHeader]; a.StringValue != nil {
		return *a.StringValue
	}
	return ""
}

// forbidden tells characters that SQS rejects:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func forbidden(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\..+)?$`)
	numberValue   = regexp.MustCompile(`^[+-]?([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)
)

// checkAttribute holds what this page says:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkAttribute(name string, a messageAttribute) *protocol.Error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > maxName || !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalidParameter("message attribute name %q is invalid: 1 to %d letters, digits, _, - and single dots inside, not beginning with AWS. or Amazon.", name, maxName)
	case len(a.DataType) > maxName || !attributeType.MatchString(a.DataType) || strings.ContainsFunc(a.DataType, forbidden):
		return invalidParameter("message attribute %q has an invalid type %q: String, Number or Binary, with an optional label after a dot", name, a.DataType)
	case len(a.StringListValues)+len(a.BinaryListValues) > 0:
		return &protocol.Error{Code: "UnsupportedOperation", Message: fmt.Sprintf("message attribute %q: list values are not implemented", name)}
	case len(a.value()) == 0 || a.binary() == (a.StringValue != nil) || a.StringValue != nil && a.BinaryValue != nil:
		return invalidParameter("message attribute %q must have one value, not empty, of type %s", name, a.DataType)
	case a.StringValue != nil && strings.ContainsFunc(*a.StringValue, forbidden):
		return invalidParameter("message attribute %q contains a character outside the allowed set", name)
	case strings.HasPrefix(a.DataType, "Number") && !isNumber(*a.StringValue):
		return invalidParameter("message attribute %q: %q is not a number of at most %d digits from 10^%d to 10^%d", name, *a.StringValue, maxDigits, minPower, maxPower)
	}
	return nil
}

// What a Number can be, of either sign, zeros before and after it not counted.
const maxDigits, minPower, maxPower = 38, -128, 126

func isNumber(text string) bool {
	parts := numberValue.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	whole, fraction := parts[1], parts[2]
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return true
	}
	power, err := strconv.Atoi(cmp.Or(parts[3], "0"))
	if err != nil {
		return false // out of any range
	}
	power += len(digits) - len(fraction) - 1 // of the first digit
	digits = strings.TrimRight(digits, "0")
	return len(digits) <= maxDigits && power >= minPower && (power < maxPower || power == maxPower && digits == "1")
}

type receivedMessage struct {
	MessageId, ReceiptHandle, Body, MD5OfBody string
	Attributes                                map[string]string           `json:",omitempty"`
	MessageAttributes                         map[string]messageAttribute `json:",omitempty"`
	MD5OfMessageAttributes                    string                      `json:",omitempty"`
}

// senderID stands for whoever sent: nobody's signature is verified.
const senderID = "AIDALOCALAWSSIMULATED"

// answer is the message as a receive gives it, with the attributes that the
// request names.
func (m *message) answer(in *request) receivedMessage {
	out := receivedMessage{MessageId: m.id, ReceiptHandle: m.handle, Body: m.body, MD5OfBody: md5Hex([]byte(m.body))}
	system := map[string]string{
		"SenderId":                         senderID,
		"SentTimestamp":                    millis(m.sent),
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"ApproximateFirstReceiveTimestamp": millis(m.firstReceived),
		traceHeader:                        m.trace,
		"DeadLetterQueueSourceArn":         m.deadLetterSource,
	}
	out.Attributes = map[string]string{}
	for name, value := range system {
		if value != "" && in.wantsSystem(name) {
			out.Attributes[name] = value
		}
	}
	out.MessageAttributes = map[string]messageAttribute{}
	for name, a := range m.attributes {
		if wants(in.MessageAttributeNames, name) {
			out.MessageAttributes[name] = a
		}
	}
	out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	return out
}

// wantsSystem also reads AttributeNames, which AWS deprecated for
// MessageSystemAttributeNames.
func (in *request) wantsSystem(name string) bool {
	for _, want := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if want == "All" || want == name {
			return true
		}
	}
	return false
}

// systemNames are the attributes that a receive may name.
var systemNames = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
	"MessageDeduplicationId", "MessageGroupId", traceHeader, "DeadLetterQueueSourceArn",
}

func (in *request) checkSystemNames() *protocol.Error {
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if !slices.Contains(systemNames, name) {
			return &protocol.Error{Code: "InvalidAttributeName", Message: "unknown attribute " + name}
		}
	}
	return nil
}

// wants knows exact names, All and .* for every one, and prefix.*.
func wants(names []string, attribute string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		prefix, wild := strings.CutSuffix(name, ".*")
		return name == "All" || name == attribute || wild && strings.HasPrefix(attribute, prefix)
	})
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func md5Hex(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is empty without attributes:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func attributesMD5(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	field := func(data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		field([]byte(name))
		field([]byte(a.DataType))
		transport := byte(1)
		if a.binary() {
			transport = 2
		}
		b = append(b, transport)
		field(a.value())
	}
	return md5Hex(b)
}
