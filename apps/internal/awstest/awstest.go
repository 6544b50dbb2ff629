// Package awstest lets test scripts run the workloads as processes. Each script has an
// AWS server of its own in the test's process, and commands that inspect it. The package
// must not know the workloads beyond their environment variables.
package awstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// The settings of every server.
const (
	Queue  = "test-q"
	Dead   = "test-q-dlq"
	Bucket = "test-events"
)

const (
	region  = "eu-west-1"
	account = "000000000000"
)

// Params returns the parameters for the scripts in dir. Their programs find the server
// through the SDK's own variables, and listen on a free port. The commands:
//
//	send file [event_type]        sends the file as a message
//	depth queue visible inflight  waits until the queue holds that much
//	object key file               compares an object's content with the file
//	objects n                     compares the number of objects
//	fault action times code status [entry]
//	logged file text              waits until a program has logged the text to the file
//	metric file name value        waits until the program that logs to the file serves that
//	term                          sends SIGTERM to what runs in the background
func Params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"send": command(1, 2, send), "depth": command(3, 3, depth), "object": command(2, 2, object),
			"objects": command(1, 1, objects), "fault": command(4, 5, fault), "term": command(0, 0, term),
			"logged": logtest.Logged, "metric": command(3, 3, metric),
		},
	}
}

type server struct {
	url    string
	faults *localaws.Faults
	sqs    *sqs.Client
	s3     *s3.Client
}

type serverKey struct{}

func setup(env *testscript.Env) error {
	faults := &localaws.Faults{}
	handler, err := localaws.New(localaws.Config{
		Region: region, AccountID: account, Buckets: []string{Bucket},
		Queues: []localaws.Queue{{Name: Dead}, {Name: Queue, Redrive: &localaws.Redrive{DeadLetterQueue: Dead, MaxReceiveCount: 10}}},
	}, localaws.WithFaults(faults))
	if err != nil {
		return err
	}
	listener := httptest.NewServer(handler)
	env.Defer(listener.Close)
	c := aws.Config{
		Region: region, BaseEndpoint: &listener.URL, HTTPClient: awshttp.New(),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	env.Values[serverKey{}] = &server{
		url: listener.URL, faults: faults, sqs: sqs.NewFromConfig(c), s3: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
	}
	env.Setenv("AWS_ENDPOINT_URL", listener.URL)
	env.Setenv("AWS_ACCESS_KEY_ID", "local")
	env.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env.Setenv("AWS_REGION", region)
	env.Setenv("RELIABLE_QUEUE_NAME", Queue)
	env.Setenv("HTTP_ADDR", "127.0.0.1:0")
	env.Setenv("BUSY_ADDR", strings.TrimPrefix(listener.URL, "http://"))
	return nil
}

func (s *server) queueURL(name string) *string { return aws.String(s.url + "/" + account + "/" + name) }

func command(
	low, high int,
	do func(context.Context, *testscript.TestScript, *server, []string) error,
) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if negated || len(args) < low || len(args) > high {
			ts.Fatalf("want %d to %d arguments and no !", low, high)
		}
		ts.Check(do(context.Background(), ts, ts.Value(serverKey{}).(*server), args))
	}
}

func send(ctx context.Context, ts *testscript.TestScript, s *server, args []string) error {
	in := &sqs.SendMessageInput{QueueUrl: s.queueURL(Queue), MessageBody: aws.String(ts.ReadFile(args[0]))}
	if len(args) == 2 {
		in.MessageAttributes = map[string]types.MessageAttributeValue{
			event.TypeAttribute: {DataType: aws.String("String"), StringValue: &args[1]},
		}
	}
	_, err := s.sqs.SendMessage(ctx, in)
	return err
}

func depth(ctx context.Context, _ *testscript.TestScript, s *server, args []string) error {
	want := args[1:]
	return logtest.Eventually(func() error {
		out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: s.queueURL(args[0]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			return err
		}
		got := []string{out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]}
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s holds %s visible and %s in flight, want %s and %s", args[0], got[0], got[1], want[0], want[1])
		}
		return nil
	})
}

func metric(_ context.Context, ts *testscript.TestScript, _ *server, args []string) error {
	address, err := logtest.Serving(ts.MkAbs(args[0]), "")
	if err != nil {
		return err
	}
	want := args[1] + " " + args[2]
	return logtest.Eventually(func() error {
		answer, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		served, err := io.ReadAll(answer.Body)
		if err == nil && !slices.Contains(strings.Split(string(served), "\n"), want) {
			err = fmt.Errorf("no %s is served: %s", want, served)
		}
		return err
	})
}

func object(ctx context.Context, ts *testscript.TestScript, s *server, args []string) error {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(Bucket), Key: &args[0]})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	if err != nil {
		return err
	}
	if want := ts.ReadFile(args[1]); string(got) != want {
		return fmt.Errorf("%s holds %s, want %s", args[0], got, want)
	}
	return nil
}

func objects(ctx context.Context, _ *testscript.TestScript, s *server, args []string) error {
	out, err := s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(Bucket)})
	if err != nil {
		return err
	}
	if strconv.Itoa(len(out.Contents)) != args[0] {
		return fmt.Errorf("the bucket holds %d objects, want %s", len(out.Contents), args[0])
	}
	return nil
}

func fault(_ context.Context, _ *testscript.TestScript, s *server, args []string) error {
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	status, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	s.faults.Add(localaws.Fault{Action: args[0], Times: times, Code: args[2], Status: status, Entry: len(args) == 5})
	return nil
}

func term(_ context.Context, ts *testscript.TestScript, _ *server, _ []string) error {
	running := ts.BackgroundCmds()
	if len(running) == 0 {
		return errors.New("nothing runs in the background")
	}
	for _, c := range running {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
	}
	return nil
}
