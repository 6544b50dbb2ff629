package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"localaws": main}) }

// The program as a process. The commands of its scripts:
//
//	serving log     waits until the program that logs to the file answers GET /healthz at
//	                its addresses, $ADDR and $ADMIN from then on
//	poll            begins a long poll on the queue q, and waits until it has arrived
//	polled          wants that the poll is answered, with no message
//	send 200        sends a message to q, and wants that status
//	faults GET      calls the admin endpoint at $ADMIN, with a document if one
//	                follows, and prints its answer
//	term            sends SIGTERM to what runs in the background
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			busy, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = busy.Close() })
			env.Setenv("BUSY", busy.Addr().String())
			env.Values[polling{}] = new(net.Conn)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serving": serving, "poll": poll, "polled": polled, "term": term,
			"faults": faults, "send": send,
		},
	})
}

// polling is the context key of the poll's connection.
type polling struct{}

func serving(ts *testscript.TestScript, _ bool, args []string) {
	for flag, name := range map[string]string{"-addr": "ADDR", "-admin": "ADMIN"} {
		address, err := logtest.Serving(ts.MkAbs(args[0]), flag)
		ts.Check(err)
		ts.Setenv(name, address)
	}
	answer, err := http.Get("http://" + ts.Getenv("ADDR") + "/healthz")
	ts.Check(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("not healthy: %s", answer.Status)
	}
}

func poll(ts *testscript.TestScript, _ bool, _ []string) {
	// It shows which calls have arrived.
	_, err := admin(ts, http.MethodPut, `{"faults":[{"action":"ReceiveMessage","rate":1}]}`)
	ts.Check(err)
	begun, err := net.Dial("tcp", ts.Getenv("ADDR"))
	ts.Check(err)
	ts.Defer(func() { _ = begun.Close() })
	*ts.Value(polling{}).(*net.Conn) = begun
	body := `{"QueueUrl":"http://x/000000000000/q","WaitTimeSeconds":20}`
	_, err = io.WriteString(begun, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: 59\r\n\r\n"+body)
	ts.Check(err)
	ts.Check(logtest.Eventually(func() error {
		faults, err := admin(ts, http.MethodGet, "")
		if err == nil && !strings.Contains(faults, `"hits": 1`) {
			err = fmt.Errorf("the poll has not arrived: %s", faults)
		}
		return err
	}))
}

func polled(ts *testscript.TestScript, _ bool, _ []string) {
	answer, err := http.ReadResponse(bufio.NewReader(*ts.Value(polling{}).(*net.Conn)), nil)
	ts.Check(err)
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || string(body) != "{}" {
		ts.Fatalf("the poll is answered %s %s, want no message", answer.Status, body)
	}
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
	answer, err := admin(ts, args[0], strings.Join(args[1:], " "))
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), answer)
	ts.Check(err)
}

// admin calls the admin endpoint of the faults.
func admin(ts *testscript.TestScript, method, document string) (string, error) {
	r, err := http.NewRequest(method, "http://"+ts.Getenv("ADMIN")+"/faults", strings.NewReader(document))
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func term(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}
