package fault

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// pattern makes n calls of an action and reports which of them are hit.
func pattern(f *Faults, action string, n int) (hits []bool) {
	for range n {
		hits = append(hits, f.Call(action).Latency > 0)
	}
	return hits
}

func count(hits []bool) (n int) {
	for _, hit := range hits {
		if hit {
			n++
		}
	}
	return n
}

// The same seed hits the same calls, whatever other actions happen between them. Another
// seed hits others, but as many.
func TestRateIsDrawnFromTheSeed(t *testing.T) {
	const calls, rate = 10000, 0.05
	var patterns [][]bool
	for _, seed := range []uint64{1, 1, 2} {
		f := &Faults{}
		f.Set(seed, Fault{Action: "SendMessage", Rate: rate, Latency: time.Second}, Fault{Action: "S3:*", Rate: 0.5, Code: "SlowDown"})
		if len(patterns) == 1 {
			pattern(f, "S3:PUT", 77)
		}
		patterns = append(patterns, pattern(f, "SendMessage", calls))
	}
	if !slices.Equal(patterns[0], patterns[1]) {
		t.Error("the same seed hit other calls")
	}
	if slices.Equal(patterns[0], patterns[2]) {
		t.Error("another seed hit the same calls")
	}
	for _, hits := range patterns {
		if n := count(hits); n < calls*rate*0.8 || n > calls*rate*1.2 {
			t.Errorf("%d of %d calls were hit, want about %g", n, calls, calls*rate)
		}
	}
}

func TestWhatACallSuffers(t *testing.T) {
	for name, test := range map[string]struct {
		faults []Fault
		action string
		want   []string // the error of each call, in order
	}{
		"one after the other":       {[]Fault{{Action: "A", Times: 1, Code: "x"}, {Action: "A", Times: 1, Code: "y"}}, "A", []string{"x", "y", ""}},
		"of other actions":          {[]Fault{{Action: "A", Times: 1, Code: "x"}}, "B", []string{""}},
		"of a pattern":              {[]Fault{{Action: "S3:*", Rate: 1, Code: "x"}}, "S3:PUT", []string{"x", "x"}},
		"of a pattern, others":      {[]Fault{{Action: "S3:*", Rate: 1, Code: "x"}}, "SendMessage", []string{""}},
		"every call":                {[]Fault{{Action: "*", Rate: 1, Code: "x"}}, "S3:PUT", []string{"x"}},
		"a rate, some times":        {[]Fault{{Action: "A", Rate: 1, Times: 2, Code: "x"}}, "A", []string{"x", "x", ""}},
		"a rate and the next calls": {[]Fault{{Action: "A", Rate: 1, Latency: 1}, {Action: "A", Times: 1, Code: "x"}}, "A", []string{"x", ""}},
		"two errors: the first":     {[]Fault{{Action: "A", Rate: 1, Code: "x"}, {Action: "A", Rate: 1, Code: "y"}}, "A", []string{"x"}},
		"never":                     {[]Fault{{Action: "A", Code: "x"}}, "A", []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Faults{}
			f.Set(0, test.faults...)
			for i, want := range test.want {
				got := ""
				if err := f.Call(test.action).Answer(); err != nil {
					got = err.Code
				}
				if got != want {
					t.Errorf("call %d: error %q, want %q", i, got, want)
				}
			}
		})
	}
}

func TestLatencyAndItsSpread(t *testing.T) {
	f := &Faults{}
	f.Set(7, Fault{Action: "A", Rate: 1, Latency: 20 * time.Millisecond, Spread: 10 * time.Millisecond})
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		latency := f.Call("A").Latency
		low, high = min(low, latency), max(high, latency)
	}
	if low < 20*time.Millisecond || low > 21*time.Millisecond || high > 30*time.Millisecond || high < 29*time.Millisecond {
		t.Errorf("latencies from %s to %s, want 20 to 30 ms", low, high)
	}
}

// A call with faults of its own gets no others.
func TestFaultsOfACall(t *testing.T) {
	server, own := &Faults{}, &Faults{}
	server.Set(0, Fault{Action: "*", Rate: 1, Code: "x"})
	own.Set(0, Fault{Action: "A", Rate: 1, Code: "y", Late: true}, Fault{Action: "B", Rate: 1, Code: "z"})
	if err := server.Of(t.Context()).Call("A").Answer(); err.Code != "x" {
		t.Errorf("without faults of its own: error %q, want x", err.Code)
	}
	if err := server.Of(NewContext(t.Context(), own)).Call("A").Answer(); err.Code != "y" {
		t.Errorf("with faults of its own: error %q, want y", err.Code)
	}
	if struck := own.Struck(); len(struck) != 1 || struck[0].Code != "y" {
		t.Errorf("struck: %+v, want y alone", struck)
	}
}

// The admin endpoint shows the current faults. It applies a document completely or not at
// all.
func TestHandler(t *testing.T) {
	f := &Faults{}
	h := Handler(f)
	throttle := `{"action":"ReceiveMessage","rate":1,"code":"RequestThrottled"`
	for _, step := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"GET", "", 200, `"faults": []`},
		{"PUT", `{"seed":7,"faults":[{"action":"S3:PUT","rate":1,"latency":"25ms","spread":"10ms"}]}`, 200, `"spread": "10ms"`},
		{"POST", `{"faults":[` + throttle + `}]}`, 200, `"hits": 0`},
		{"GET", "", 200, `"seed": 7`},
		{"POST", `{"faults":[` + throttle + `},{"action":"A"}]}`, 400, "faults[1]: times or rate: one must be set, or it never hits"},
		{"POST", `{"seed":8,"faults":[]}`, 400, "seed: only PUT sets it"},
		{"PUT", `{"faults":[{"action":"A","rate":1,"latency":"soon"}]}`, 400, `"soon"`},
		{"PUT", `{"faults":[{"action":"A","rate":1,"colour":"red"}]}`, 400, `unknown field "colour"`},
		{"PUT", `{"faults":[{"action":"[","rate":1}]}`, 400, `faults[0]: action "["`},
		{"PUT", `{"faults":[{"action":"A","rate":2}]}`, 400, "faults[0]: rate 2: must be from 0 to 1"},
		{"PUT", `{"faults":[{"action":"A","rate":1,"late":true}]}`, 400, "late: needs a code, or lost"},
		{"PUT", `{"faults":[{"action":"A","rate":1,"status":503}]}`, 400, "status: needs a code"},
		{"PUT", `{"faults":[{"action":"A","rate":1,"lag":"1h"}]}`, 400, "lag 1h0m0s: must be from 0 to 5m0s"},
		{"PUT", `{"faults":[{"action":"A","rate":1,"fails":true}]}`, 400, "fails: needs a code"},
		{"PATCH", "", 405, ""},
		{"GET", "", 200, `"hits": 1`},
		{"DELETE", "", 200, `"faults": []`},
	} {
		if step.want == `"hits": 1` && f.Call("ReceiveMessage").Answer() == nil {
			t.Error("the refused documents changed the faults")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(step.method, AdminPath, strings.NewReader(step.body)))
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s %s: status %d, %s; want %d, %s", step.method, step.body, w.Code, w.Body, step.status, step.want)
		}
	}
	if left := f.Call("ReceiveMessage"); left != (Hit{}) {
		t.Errorf("after DELETE: %+v", left)
	}
}

// A fault in the created resource does not fail the call.
func TestOutcome(t *testing.T) {
	f := &Faults{}
	f.Set(0, Fault{Action: "ec2:CreateNatGateway", Times: 1, Code: "InternalError", Fails: true}, Fault{Action: "A", Times: 1, Code: "x"})
	hit := f.Call("ec2:CreateNatGateway")
	if hit.Answer() != nil || hit.Outcome() == nil || hit.Outcome().Code != "InternalError" {
		t.Errorf("an answer %v, an outcome %v", hit.Answer(), hit.Outcome())
	}
	if other := f.Call("A"); other.Outcome() != nil {
		t.Errorf("an error of the call is one of what it creates: %v", other.Outcome())
	}
}

// With a late error the call takes effect. With any other error it does not.
func TestAround(t *testing.T) {
	f := &Faults{}
	f.Set(0, Fault{Action: "late", Times: 1, Code: "x", Late: true}, Fault{Action: "early", Times: 1, Code: "y"})
	for action, want := range map[string]struct {
		code string
		done bool
	}{"late": {"x", true}, "early": {"y", false}, "none": {"", true}} {
		done, code := false, ""
		if err := f.Around(t.Context(), clock.System{}, action, func(Hit) *protocol.Error { done = true; return nil }); err != nil {
			code = err.Code
		}
		if code != want.code || done != want.done {
			t.Errorf("%s: code %q, done %t; want %+v", action, code, done, want)
		}
	}
}

// A lost answer closes the connection.
func TestLostAnswer(t *testing.T) {
	f := &Faults{}
	f.Add(Fault{Action: "A", Times: 1, Lost: true})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { _ = f.Call("A").Answer() }))
	defer s.Close()
	if answer, err := http.Post(s.URL, "", nil); err == nil {
		_ = answer.Body.Close()
		t.Errorf("an answer: %s", answer.Status)
	}
	answer, err := http.Post(s.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}
