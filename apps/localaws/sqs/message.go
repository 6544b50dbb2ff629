package sqs

import (
	"cmp"
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

	"github.com/google/uuid"

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
	// maxRequest has room for a JSON escape of every byte of a full message.
	maxRequest = 8 * maxSize
)

// message is in exactly one queue, and there either visible or hidden. It is hidden while
// in flight, or delayed before its first receive. A queue has up to a million messages,
// so rare or computable values have no field.
type message struct {
	id               uuid.UUID
	body             string
	attributes       string // in the form of encodeAttributes
	trace            string // the AWSTraceHeader
	deadLetterSource string // the ARN of the queue that it came from

	sent, firstReceived, lastReceived instant
	received                          uint32 // in all queues, as consumers see it
	tries                             int32  // in this queue, for redrive

	visible        bool
	before, behind *message // in the queue's list of visible messages
	inHidden       int      // index in the queue's heap of hidden messages
	inAging        int      // index in the heap of all messages
	due            instant  // when it becomes visible
}

type messageAttribute struct {
	DataType         string
	StringValue      *string  `json:",omitempty"`
	BinaryValue      []byte   `json:",omitempty"`
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

func (a messageAttribute) text() string {
	if a.StringValue == nil {
		return ""
	}
	return *a.StringValue
}

// size returns the size of its value. With two values, which is an error, it counts both.
func (a messageAttribute) size() int { return len(a.text()) + len(a.BinaryValue) }

func (a messageAttribute) binary() bool { return strings.HasPrefix(a.DataType, "Binary") }

// size returns the size that counts towards the limits, in bytes: the body, and the name,
// type and value of each attribute.
func (m newMessage) size() int {
	n := len(m.MessageBody)
	for name, a := range m.MessageAttributes {
		n += len(name) + len(a.DataType) + a.size()
	}
	return n
}

func (m newMessage) check() *protocol.Error {
	switch {
	case m.MessageBody == "":
		return missing("MessageBody")
	case m.size() > maxSize:
		return tooLong(m.size(), maxSize)
	case m.MessageDeduplicationId != "":
		return invalidParameter("the parameter MessageDeduplicationId is not valid for a standard queue")
	case len(m.MessageAttributes) > maxAttributes:
		return invalidParameter("number of message attributes [%d] exceeds the allowed maximum [%d]", len(m.MessageAttributes), maxAttributes)
	}
	if i := strings.IndexFunc(m.MessageBody, forbidden); i >= 0 {
		return &protocol.Error{
			Code:    "InvalidMessageContents",
			Message: fmt.Sprintf("the message contains a character outside the allowed set at byte %d", i),
		}
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

func tooLong(size, limit int) *protocol.Error {
	return invalidParameter(
		"one or more parameters are invalid: the message, %d bytes with its attributes, must be at most %d bytes",
		size,
		limit,
	)
}

const traceHeader = "AWSTraceHeader"

func (m newMessage) trace() string {
	if a := m.MessageSystemAttributes[traceHeader]; a.StringValue != nil {
		return *a.StringValue
	}
	return ""
}

// forbidden reports whether SQS rejects a character:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func forbidden(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

var numberValue = regexp.MustCompile(`^[+-]?([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// isAttributeName reports whether a name consists of plain parts with single dots between
// them.
func isAttributeName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if !isPlain(part) {
			return false
		}
	}
	return true
}

// isPlain reports whether a text has only letters, digits, _ and -. It runs thousands of
// times a second, so it uses no regular expression.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i] | 0x20; (c < 'a' || c > 'z') && (text[i] < '0' || text[i] > '9') && text[i] != '_' && text[i] != '-' {
			return false
		}
	}
	return text != ""
}

// checkAttribute checks an attribute by the rules of
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkAttribute(name string, a messageAttribute) *protocol.Error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > maxName || !isAttributeName(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalidParameter(
			"message attribute name %q is invalid: 1 to %d letters, digits, _, - and single dots inside, not beginning with AWS. or Amazon.",
			name,
			maxName,
		)
	case len(a.DataType) > maxName || !isType(a.DataType) || strings.ContainsFunc(a.DataType, forbidden):
		return invalidParameter(
			"message attribute %q has an invalid type %q: String, Number or Binary, with an optional label after a dot",
			name,
			a.DataType,
		)
	case len(a.StringListValues)+len(a.BinaryListValues) > 0:
		return &protocol.Error{Code: "UnsupportedOperation", Message: fmt.Sprintf("message attribute %q: list values are not implemented", name)}
	case a.size() == 0 || a.binary() == (a.StringValue != nil) || a.StringValue != nil && a.BinaryValue != nil:
		return invalidParameter("message attribute %q must have one value, not empty, of type %s", name, a.DataType)
	case a.StringValue != nil && strings.ContainsFunc(*a.StringValue, forbidden):
		return invalidParameter("message attribute %q contains a character outside the allowed set", name)
	case strings.HasPrefix(a.DataType, "Number") && !isNumber(*a.StringValue):
		return invalidParameter(
			"message attribute %q: %q is not a number of at most %d digits from 10^%d to 10^%d",
			name,
			*a.StringValue,
			maxDigits,
			minPower,
			maxPower,
		)
	}
	return nil
}

// isType reports whether a text is one of the three types, with an optional label
// after a dot.
func isType(text string) bool {
	kind, label, labelled := strings.Cut(text, ".")
	return (kind == "String" || kind == "Number" || kind == "Binary") && (label != "") == labelled
}

// The range of a Number, of either sign; leading and trailing zeros do not count.
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
	power += len(digits) - len(fraction) - 1 // the power of the first digit
	digits = strings.TrimRight(digits, "0")
	return len(digits) <= maxDigits && power >= minPower && (power < maxPower || power == maxPower && digits == "1")
}

type receivedMessage struct {
	MessageId, ReceiptHandle, Body, MD5OfBody string
	Attributes                                *systemAttributes           `json:",omitempty"`
	MessageAttributes                         map[string]messageAttribute `json:",omitempty"`
	MD5OfMessageAttributes                    string                      `json:",omitempty"`
	receives                                  int
}

type systemAttributes struct {
	SenderId                         string `json:",omitempty"`
	SentTimestamp                    string `json:",omitempty"`
	ApproximateReceiveCount          string `json:",omitempty"`
	ApproximateFirstReceiveTimestamp string `json:",omitempty"`
	AWSTraceHeader                   string `json:",omitempty"`
	DeadLetterQueueSourceArn         string `json:",omitempty"`
}

// senderID stands for every sender: the package does not know the caller.
const senderID = "AIDALOCALAWSSIMULATED"

// answer returns the message in the form of a receive's answer, with the attributes that
// the request names.
func (d *delivery) answer(in *request) receivedMessage {
	out := receivedMessage{
		MessageId:     d.id.String(),
		ReceiptHandle: d.handle,
		Body:          d.body,
		MD5OfBody:     md5Hex(d.body),
		receives:      int(d.received),
	}
	system := systemAttributes{}
	for _, a := range []struct {
		name  string
		field *string
		value string
	}{
		{"SenderId", &system.SenderId, senderID},
		{"SentTimestamp", &system.SentTimestamp, millis(d.sent.time())},
		{"ApproximateReceiveCount", &system.ApproximateReceiveCount, strconv.Itoa(int(d.received))},
		{"ApproximateFirstReceiveTimestamp", &system.ApproximateFirstReceiveTimestamp, millis(d.firstReceived.time())},
		{traceHeader, &system.AWSTraceHeader, d.trace},
		{"DeadLetterQueueSourceArn", &system.DeadLetterQueueSourceArn, d.deadLetterSource},
	} {
		if a.value != "" && in.wantsSystem(a.name) {
			*a.field = a.value
			out.Attributes = &system
		}
	}
	out.MessageAttributes = decodeAttributes(d.attributes)
	all := len(out.MessageAttributes)
	maps.DeleteFunc(out.MessageAttributes, func(name string, _ messageAttribute) bool { return !wants(in.MessageAttributeNames, name) })
	switch len(out.MessageAttributes) {
	case 0:
	case all:
		out.MD5OfMessageAttributes = md5Hex(d.attributes)
	default:
		out.MD5OfMessageAttributes = md5Hex(encodeAttributes(out.MessageAttributes))
	}
	return out
}

// wantsSystem reports whether a request asks for a system attribute. It also reads
// AttributeNames, which AWS replaced by MessageSystemAttributeNames.
func (in *request) wantsSystem(name string) bool {
	wanted := func(names []string) bool { return slices.Contains(names, "All") || slices.Contains(names, name) }
	return wanted(in.AttributeNames) || wanted(in.MessageSystemAttributeNames)
}

// systemNames are the system attributes that a receive may name.
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

// wants reports whether one of the names asks for an attribute: All and .* ask for every
// one, prefix.* for those with the prefix.
func wants(names []string, attribute string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		prefix, wild := strings.CutSuffix(name, ".*")
		return name == "All" || name == attribute || wild && strings.HasPrefix(attribute, prefix)
	})
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// md5Hex returns the digest of a text; empty for an empty text, because a message has no
// empty body, and without attributes there is no digest.
func md5Hex(text string) string {
	if text == "" {
		return ""
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// encodeAttributes encodes attributes in the form whose MD5 digest SQS returns:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func encodeAttributes(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	b := make([]byte, 0, 128)
	field := func(data string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		field(name)
		field(a.DataType)
		if a.binary() {
			b = append(b, 2)
			field(string(a.BinaryValue))
		} else {
			b = append(b, 1)
			field(a.text())
		}
	}
	return string(b)
}

// decodeAttributes decodes what encodeAttributes wrote.
func decodeAttributes(b string) map[string]messageAttribute {
	if b == "" {
		return nil
	}
	attributes := make(map[string]messageAttribute, 2)
	field := func() string {
		n := binary.BigEndian.Uint32([]byte(b[:4])) + 4
		data := b[4:n]
		b = b[n:]
		return data
	}
	for b != "" {
		name := field()
		a := messageAttribute{DataType: field()}
		isBinary := b[0] == 2
		b = b[1:]
		if value := field(); isBinary {
			a.BinaryValue = []byte(value)
		} else {
			a.StringValue = &value
		}
		attributes[name] = a
	}
	return attributes
}
