package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"localaws": main}) }

// The program as a process. The commands of its scripts:
//
//	healthy         waits until $ADDR answers GET /healthz
//	poll            begins a long poll on the queue q, and waits a moment
//	send 200        sends a message to q, and wants that status
//	faults GET      calls the admin endpoint at $ADMIN, with a document if one
//	                follows, and prints its answer
//	term            sends SIGTERM to what runs in the background
//	within 3s       fails if the script ran longer since term
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR", "ADMIN"} {
				free, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				env.Setenv(name, free.Addr().String())
				if err := free.Close(); err != nil {
					return err
				}
			}
			busy, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = busy.Close() })
			env.Setenv("BUSY", busy.Addr().String())
			env.Values[termAt{}] = &time.Time{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"healthy": healthy, "poll": poll, "term": term, "within": within,
			"faults": faults, "send": send,
		},
	})
}

type termAt struct{}

func healthy(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + ts.Getenv("ADDR") + "/healthz")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
			err = errors.New(answer.Status)
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not healthy: %v", err)
		}
	}
}

func poll(ts *testscript.TestScript, _ bool, _ []string) {
	begun, ended := net.Dial("tcp", ts.Getenv("ADDR"))
	ts.Check(ended)
	body := `{"QueueUrl":"http://x/000000000000/q","WaitTimeSeconds":20}`
	_, err := io.WriteString(begun, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: 59\r\n\r\n"+body)
	ts.Check(err)
	ts.Defer(func() { _ = begun.Close() })
	time.Sleep(100 * time.Millisecond)
}

func send(ts *testscript.TestScript, _ bool, args []string) {
	body := strings.NewReader(`{"QueueUrl":"http://x/000000000000/q","MessageBody":"m"}`)
	r, err := http.NewRequest(http.MethodPost, "http://"+ts.Getenv("ADDR"), body)
	ts.Check(err)
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	_ = answer.Body.Close()
	if got := strconv.Itoa(answer.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s", got, args[0])
	}
}

func faults(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequest(args[0], "http://"+ts.Getenv("ADMIN")+"/faults", strings.NewReader(strings.Join(args[1:], " ")))
	ts.Check(err)
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	_, err = io.Copy(ts.Stdout(), answer.Body)
	ts.Check(err)
}

func term(ts *testscript.TestScript, _ bool, _ []string) {
	*ts.Value(termAt{}).(*time.Time) = time.Now()
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

func within(ts *testscript.TestScript, _ bool, args []string) {
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	if took := time.Since(*ts.Value(termAt{}).(*time.Time)); took > limit {
		ts.Fatalf("it took %s after SIGTERM", took)
	}
}
