package sqs

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// raw sends a body that the SDK would not send.
func (b *bench) raw(action, body string, wantStatus int) http.Header {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.base, strings.NewReader(body))
	b.ok(err)
	r.Header.Set("X-Amz-Target", TargetPrefix+action)
	answer, err := http.DefaultClient.Do(r)
	b.ok(err)
	defer answer.Body.Close()
	if answer.StatusCode != wantStatus {
		b.Errorf("%s %s: status %d, want %d", action, body, answer.StatusCode, wantStatus)
	}
	return answer.Header
}

// The cases are AWS's documentation of messages, their attributes, and batches.
func TestSendSemantics(t *testing.T) {
	sendWith := func(b *bench, name string, value types.MessageAttributeValue) error {
		_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{name: value}})
		return err
	}
	runDocumented(t, []documented{
		{"API_SendMessage", "1 MiB with attributes is taken, a byte more is not", Queue{}, func(b *bench) {
			attributes := map[string]types.MessageAttributeValue{"kind": text("sale")} // 4 + 6 + 4 bytes
			for size, want := range map[int]bool{maxSize - 14: true, maxSize - 13: false} {
				_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String(strings.Repeat("x", size)), MessageAttributes: attributes})
				if want {
					b.ok(err)
				} else {
					servicetest.Code(b, err, "InvalidParameterValue")
				}
			}
			b.counts("q", "1 0 0")
		}},
		{"API_SetQueueAttributes", "MaximumMessageSize lowers the limit", Queue{}, func(b *bench) {
			b.ok(b.set(map[string]string{"MaximumMessageSize": "1024"}))
			b.send(strings.Repeat("x", 1024))
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String(strings.Repeat("x", 1025))})
			servicetest.Code(b, err, "InvalidParameterValue")
		}},
		{"API_SendMessage", "an empty body is refused", Queue{}, func(b *bench) {
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("")})
			servicetest.Code(b, err, "MissingParameter")
		}},
		{"API_SendMessage", "characters outside XML's are refused, others kept", Queue{}, func(b *bench) {
			for _, body := range []string{"\x00", "a\x1f", "\ufffe", "\uffff"} {
				_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: &body})
				servicetest.Fails[*types.InvalidMessageContents](b, err)
			}
			body := "tab\tnewline\nreturn\r \ud7ff \ue000 \ufffd \U00010000 \U0010ffff \" \\ </x>&"
			b.send(body)
			if got := *b.one("q").Body; got != body {
				b.Errorf("received %q, want %q", got, body)
			}
		}},
		{"API_SendMessage", "DelaySeconds is 0 to 900", Queue{}, func(b *bench) {
			for _, delay := range []int32{-1, 901} {
				_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), DelaySeconds: delay})
				servicetest.Code(b, err, "InvalidParameterValue")
			}
		}},
		{"API_SendMessage", "MessageDeduplicationId is for FIFO queues", Queue{}, func(b *bench) {
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageDeduplicationId: aws.String("d")})
			servicetest.Code(b, err, "InvalidParameterValue")
		}},
		{"API_SendMessage", "an X-Ray trace header travels as a system attribute", Queue{}, func(b *bench) {
			value := "Root=1-5759e988-bd862e3fe1be46a994272793"
			send := func(name string) (*sqs.SendMessageOutput, error) {
				return b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
					name: {DataType: aws.String("String"), StringValue: &value},
				}})
			}
			_, err := send("Other")
			servicetest.Code(b, err, "InvalidParameterValue")
			value = "Root=\x00"
			_, err = send("AWSTraceHeader")
			servicetest.Code(b, err, "InvalidParameterValue")
			value = "Root=1-5759e988-bd862e3fe1be46a994272793"
			out, err := send("AWSTraceHeader")
			b.ok(err)
			if aws.ToString(out.MD5OfMessageSystemAttributes) == "" {
				b.Error("no MD5 of the system attributes")
			}
			if got := b.one("q").Attributes["AWSTraceHeader"]; got != value {
				b.Errorf("received %q", got)
			}
		}},
		{"sqs-message-metadata", "attributes of every type travel, with one MD5 on both sides", Queue{}, func(b *bench) {
			sent := map[string]types.MessageAttributeValue{
				"event_type": text("sale_event"), "Store.1": {DataType: aws.String("Number.int"), StringValue: aws.String("-1.5e3")},
				"raw-": {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 1, 255}},
			}
			out, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageAttributes: sent})
			b.ok(err)
			m := b.one("q")
			if *m.MD5OfMessageAttributes != *out.MD5OfMessageAttributes {
				b.Errorf("MD5 %s sent, %s received", *out.MD5OfMessageAttributes, *m.MD5OfMessageAttributes)
			}
			for name, want := range sent {
				got := m.MessageAttributes[name]
				if *got.DataType != *want.DataType || aws.ToString(got.StringValue) != aws.ToString(want.StringValue) || string(got.BinaryValue) != string(want.BinaryValue) {
					b.Errorf("%s: %+v", name, got)
				}
			}
		}},
		{"sqs-message-metadata", "names, types and values have rules", Queue{}, func(b *bench) {
			str := aws.String("String")
			for name, value := range map[string]types.MessageAttributeValue{
				"":                       text("v"),
				"AWS.x":                  text("v"),
				"amazon.x":               text("v"),
				".x":                     text("v"),
				"x.":                     text("v"),
				"x..y":                   text("v"),
				"x y":                    text("v"),
				strings.Repeat("x", 257): text("v"),
				"empty":                  text(""),
				"type":                   {DataType: aws.String("Text"), StringValue: aws.String("v")},
				"novalue":                {DataType: str},
				"wrongvalue":             {DataType: str, BinaryValue: []byte("v")},
				"both":                   {DataType: str, StringValue: aws.String("v"), BinaryValue: []byte("v")},
				"number":                 {DataType: aws.String("Number"), StringValue: aws.String("one")},
				"character":              text("a\x00"),
				"noncharacter":           text("\uffff"),
				"label":                  {DataType: aws.String("String.\x01"), StringValue: aws.String("v")},
			} {
				servicetest.Code(b, sendWith(b, name, value), "InvalidParameterValue")
			}
			servicetest.Fails[*types.UnsupportedOperation](b, sendWith(b, "list", types.MessageAttributeValue{DataType: str, StringListValues: []string{"v"}}))
			b.ok(sendWith(b, strings.Repeat("x", 256), text("v")))
			b.ok(sendWith(b, "text", text("tab\tnewline\n \U0010ffff")))
			b.counts("q", "2 0 0")
		}},
		{"sqs-message-attributes", "a Number has up to 38 digits and is between 10^-128 and 10^+126", Queue{}, func(b *bench) {
			digits := strings.Repeat("9", 38)
			for value, want := range map[string]bool{
				digits:                         true,
				"-" + digits:                   true,
				digits + "9":                   false,
				"0." + digits + "9":            false,
				"000" + digits + "00":          true,
				"00.00" + digits + "00":        true,
				"1e126":                        true,
				"0.1e127":                      true,
				"1.000e+126":                   true,
				"2e126":                        false,
				"1.1e126":                      false,
				"1e127":                        false,
				"1e-128":                       true,
				"0.9e-128":                     false,
				"-1e-129":                      false,
				"1" + strings.Repeat("0", 127): false,
				"0":                            true,
				"0.000e999999999999999999":     true,
				"1e999999999999999999":         false,
				"1e-999999999999999999999":     false,
			} {
				err := sendWith(b, "n", types.MessageAttributeValue{DataType: aws.String("Number.float"), StringValue: &value})
				if want {
					b.ok(err)
				} else {
					servicetest.Code(b, err, "InvalidParameterValue")
				}
			}
		}},
		{"sqs-message-metadata", "a message has at most ten attributes", Queue{}, func(b *bench) {
			attributes := map[string]types.MessageAttributeValue{}
			for _, name := range strings.Split("abcdefghijk", "") {
				attributes[name] = text("v")
			}
			in := &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageAttributes: attributes}
			_, err := b.sqs.SendMessage(b.Context(), in)
			servicetest.Code(b, err, "InvalidParameterValue")
			delete(attributes, "k")
			_, err = b.sqs.SendMessage(b.Context(), in)
			b.ok(err)
		}},
		{"API_ReceiveMessage", "message attributes come when named: All, exact, or prefix.*", Queue{VisibilityTimeout: aws.Int(0)}, func(b *bench) {
			_, err := b.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: b.url("q"), MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{
				"foo.a": text("v"), "foo.b": text("v"), "bar": text("v"),
			}})
			b.ok(err)
			for _, test := range []struct {
				names []string
				want  int
			}{{nil, 0}, {[]string{"All"}, 3}, {[]string{".*"}, 3}, {[]string{"foo.*"}, 2}, {[]string{"bar", "foo.a"}, 2}, {[]string{"fo"}, 0}} {
				out, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: b.url("q"), MessageAttributeNames: test.names})
				b.ok(err)
				if got := len(out.Messages[0].MessageAttributes); got != test.want {
					b.Errorf("%v: %d attributes, want %d", test.names, got, test.want)
				}
			}
		}},
		{"API_SendMessageBatch", "one to ten entries with distinct, valid ids", Queue{}, func(b *bench) {
			_, err := b.sendBatch(batchEntry("a", "m"), batchEntry("a", "m"))
			servicetest.Fails[*types.BatchEntryIdsNotDistinct](b, err)
			_, err = b.sendBatch([]types.SendMessageBatchRequestEntry{}...)
			servicetest.Fails[*types.EmptyBatchRequest](b, err)
			for _, id := range []string{"", "a b", strings.Repeat("x", 81)} {
				_, err = b.sendBatch(batchEntry(id, "m"))
				servicetest.Fails[*types.InvalidBatchEntryId](b, err)
			}
			eleven := make([]types.SendMessageBatchRequestEntry, 11)
			for i := range eleven {
				eleven[i] = batchEntry(strings.Repeat("x", i+1), "m")
			}
			_, err = b.sendBatch(eleven...)
			servicetest.Fails[*types.TooManyEntriesInBatchRequest](b, err)
			b.counts("q", "0 0 0")
			_, err = b.sendBatch(eleven[1:]...)
			b.ok(err)
			b.counts("q", "10 0 0")
		}},
		{"API_SendMessageBatch", "1 MiB is the limit of all entries together", Queue{}, func(b *bench) {
			half := strings.Repeat("x", maxSize/2)
			_, err := b.sendBatch(batchEntry("a", half), batchEntry("b", half+"x"))
			servicetest.Fails[*types.BatchRequestTooLong](b, err)
			_, err = b.sendBatch(batchEntry("a", half), batchEntry("b", half))
			b.ok(err)
			b.counts("q", "2 0 0")
		}},
		{"API_SendMessageBatch", "each entry fails for itself, and has its own delay", Queue{}, func(b *bench) {
			late := batchEntry("late", "m")
			late.DelaySeconds = 5
			out, err := b.sendBatch(batchEntry("good", "m"), batchEntry("bad", "\x00"), late)
			b.ok(err)
			if len(out.Successful) != 2 || len(out.Failed) != 1 {
				b.Fatalf("%d successful, %d failed", len(out.Successful), len(out.Failed))
			}
			if f := out.Failed[0]; *f.Id != "bad" || *f.Code != "InvalidMessageContents" || !f.SenderFault {
				b.Errorf("failed: %+v", f)
			}
			b.counts("q", "1 0 1")
		}},
		{"API_DeleteMessageBatch", "each entry fails for itself", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			out, err := b.sqs.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: b.url("q"), Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("bad"), ReceiptHandle: aws.String("x")}, {Id: aws.String("good"), ReceiptHandle: handle},
			}})
			b.ok(err)
			if len(out.Successful) != 1 || *out.Successful[0].Id != "good" || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
				b.Errorf("%+v", out)
			}
			b.counts("q", "0 0 0")
		}},
		{"API_ChangeMessageVisibilityBatch", "each entry has its own timeout, and fails for itself", Queue{}, func(b *bench) {
			for _, body := range []string{"a", "b", "c"} {
				b.send(body)
			}
			messages := b.receive("q")
			out, err := b.sqs.ChangeMessageVisibilityBatch(b.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: b.url("q"), Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("back"), ReceiptHandle: messages[0].ReceiptHandle, VisibilityTimeout: 0},
				{Id: aws.String("longer"), ReceiptHandle: messages[1].ReceiptHandle, VisibilityTimeout: 100},
				{Id: aws.String("bad"), ReceiptHandle: messages[2].ReceiptHandle, VisibilityTimeout: 43201},
			}})
			b.ok(err)
			if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "bad" || *out.Failed[0].Code != "InvalidParameterValue" {
				b.Errorf("%+v", out)
			}
			b.counts("q", "1 2 0")
			b.advance(30)
			b.counts("q", "2 1 0")
		}},
	})
}

// The digests come from the tests of moto, another implementation.
func TestAttributesMD5(t *testing.T) {
	for want, value := range map[string]messageAttribute{
		"235c5c510d26fb653d073faed50ae77c": {DataType: "Number", StringValue: aws.String("1493147359900")},
		"994258b45346a2cc3f9cbb611aa7af30": {DataType: "Number", StringValue: aws.String("1493147359901")},
	} {
		if got := md5Hex(encodeAttributes(map[string]messageAttribute{"timestamp": value})); got != want {
			t.Errorf("%s: MD5 %s, want %s", *value.StringValue, got, want)
		}
	}
}
