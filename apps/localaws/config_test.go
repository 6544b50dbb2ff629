package localaws

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func load(t *testing.T, text string) (Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "localaws.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := LoadConfig(file)
	return config, file, err
}

const head = "region: eu-west-1\naccountId: \"000000000000\"\n"

func TestConfig(t *testing.T) {
	config, _, err := load(t, head+`
queues:
  # The dead-letter queue may come after the queue that names it.
  - {name: q, delaySeconds: 2, visibilityTimeout: 31, messageRetentionPeriod: 172800, redrive: {deadLetterQueue: dlq, maxReceiveCount: 10}}
  - {name: dlq}
buckets: [events]
`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for queue, want := range map[string][]string{
		"q": {
			`"DelaySeconds":"2"`, `"VisibilityTimeout":"31"`, `"MessageRetentionPeriod":"172800"`,
			`{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:dlq\",\"maxReceiveCount\":10}`,
		},
		"dlq": {`"VisibilityTimeout":"30"`}, // the default
	} {
		body := `{"QueueUrl":"http://x/000000000000/` + queue + `","AttributeNames":["All"]}`
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueAttributes")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		for _, want := range want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s has not %s: %s", queue, want, w.Body)
			}
		}
	}
}

// Every problem names the file and the field. All problems come at once.
func TestConfigProblems(t *testing.T) {
	for text, want := range map[string][]string{
		``:                                {`region: "": must be an AWS region, such as eu-west-1`, `accountId: "": must be twelve digits, in quotes`},
		"region: eu-west-1\naccountId: 0": {`accountId: "0": must be twelve digits, in quotes`},
		head + `bucket: [x]`:              {`unknown field "bucket"`},
		head + `queues: [{name: q, delaySecond: 1}]`: {
			`unknown field "delaySecond"`,
		},
		head + `queues: [{name: q, delaySeconds: soon}]`: {`Queue.queues.delaySeconds`},
		head + `queues: [{name: q.fifo}, {name: a}, {name: a}]`: {
			`queues[0].name: "q.fifo": must be 1 to 80 letters, digits, hyphens and underscores`,
			`queues[2].name: a: is queues[1] too`,
		},
		head + `queues: [{name: q, delaySeconds: 901, visibilityTimeout: -1, messageRetentionPeriod: 59}]`: {
			`queues[0].delaySeconds: 901: must be from 0 to 900`,
			`queues[0].messageRetentionPeriod: 59: must be from 60 to 1209600`,
			`queues[0].visibilityTimeout: -1: must be from 0 to 43200`,
		},
		head + `queues: [{name: q, redrive: {deadLetterQueue: q, maxReceiveCount: 0}}, {name: r, redrive: {deadLetterQueue: nope, maxReceiveCount: 1001}}]`: {
			`queues[0].redrive.deadLetterQueue: "q": must be another queue of this configuration`,
			`queues[0].redrive.maxReceiveCount: 0: must be from 1 to 1000`,
			`queues[1].redrive.deadLetterQueue: "nope": must be another queue of this configuration`,
			`queues[1].redrive.maxReceiveCount: 1001: must be from 1 to 1000`,
		},
		head + `buckets: [Events, events, events, healthz]`: {
			`buckets[0]: "Events": must be 3 to 63 lower-case letters, digits, dots and hyphens, and not healthz`,
			`buckets[2]: events: is buckets[1] too`,
			`buckets[3]: "healthz": must be 3 to 63 lower-case letters, digits, dots and hyphens, and not healthz`,
		},
	} {
		t.Run(strings.TrimPrefix(text, head), func(t *testing.T) {
			_, file, err := load(t, text)
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(want) {
				t.Fatalf("%d problems, want %d:\n%v", len(lines), len(want), err)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, file+": ") || !strings.Contains(line, want[i]) {
					t.Errorf("problem %d: %s\nwant %s", i, line, want[i])
				}
			}
		})
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	_, err := New(Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []Queue{{Name: "no queue"}}})
	if err == nil || !strings.Contains(err.Error(), "queues[0].name") {
		t.Errorf("error %v", err)
	}
}

func TestConfigFileMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}
