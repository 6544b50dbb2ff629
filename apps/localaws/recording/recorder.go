package recording

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// Recorder records when it is told to. It is safe for concurrent use.
type Recorder struct {
	clock   clock.Clock
	running atomic.Pointer[recording]
}

// NewRecorder makes a recorder that records nothing yet.
func NewRecorder(c clock.Clock) *Recorder { return &Recorder{clock: c} }

// recording is of one role.
type recording struct {
	role  string
	clock clock.Clock
	began time.Time

	// mu is held while a recorded call is served: the order of the recording is the
	// order in which calls took effect.
	mu      sync.Mutex
	calls   []Call
	bytes   int
	leftOut int
}

// Limits of a recording. What is beyond is counted as left out.
const (
	maxCalls = 20_000
	maxBytes = 64 << 20
	maxBody  = 1 << 20
)

// Begin records the calls of a role from now on, and forgets those before.
func (r *Recorder) Begin(role string) {
	r.running.Store(&recording{role: role, clock: r.clock, began: r.clock.Now()})
}

// End records no more, and forgets all.
func (r *Recorder) End() { r.running.Store(nil) }

// Serve has next answer a request, and records both if it is the role's.
func (r *Recorder) Serve(w http.ResponseWriter, request *http.Request, service string, next http.Handler) {
	to := r.running.Load()
	if to == nil || !to.wants(request, service) {
		next.ServeHTTP(w, request)
		return
	}
	body, whole := read(request)
	if !whole {
		to.leaveOut()
		next.ServeHTTP(w, request)
		return
	}
	to.serve(request, service, body, next).send(w)
}

// wants reports whether a call is the role's. STS is left out: it hands out
// credentials.
func (r *recording) wants(request *http.Request, service string) bool {
	caller := access.Of(request.Context()).Caller
	return service != "sts" && caller != nil && caller.Role != "" && path.Base(caller.Role) == r.role
}

// read reads the body of a request, which can be read again. Whole is false if the
// body is too large or cannot be read.
func read(request *http.Request) (body []byte, whole bool) {
	body, err := io.ReadAll(io.LimitReader(request.Body, maxBody+1))
	rest := request.Body
	request.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	return body, err == nil && len(body) <= maxBody
}

func (r *recording) leaveOut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leftOut++
}

// serve serves one call at a time, and without the network: a slow client holds up
// nobody.
func (r *recording) serve(request *http.Request, service string, body []byte, next http.Handler) *answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := newCall(request, service, body)
	c.At = r.clock.Now().Sub(r.began).Milliseconds()
	a := &answer{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(a, request)
	c.Status = a.status
	text := strings.ReplaceAll(a.body.String(), request.Host, Host)
	c.Answer = newBody(text)
	r.keep(c, len(body)+len(text), strings.Contains(text, fault.Message))
	return a
}

// keep leaves out what an injected fault answered: it is nothing that AWS does. The
// answer to a HEAD has no message that shows it.
func (r *recording) keep(c Call, size int, faulty bool) {
	if faulty || len(r.calls) >= maxCalls || r.bytes+size > maxBytes {
		r.leftOut++
		return
	}
	r.calls = append(r.calls, c)
	r.bytes += size
}

// answer is an http.ResponseWriter that keeps what is written.
type answer struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

// Header is http.ResponseWriter's.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is http.ResponseWriter's.
func (a *answer) WriteHeader(status int) {
	if !a.written {
		a.status, a.written = status, true
	}
}

// Write is http.ResponseWriter's.
func (a *answer) Write(data []byte) (int, error) {
	a.written = true
	return a.body.Write(data)
}

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// Document is what the admin endpoint answers.
type Document struct {
	// Role is empty if nothing is recorded.
	Role    string `json:"role"`
	LeftOut int    `json:"leftOut"`
	Calls   []Call `json:"calls"`
}

func (r *Recorder) document() Document {
	of := r.running.Load()
	if of == nil {
		return Document{Calls: []Call{}}
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	return Document{of.role, of.leftOut, append([]Call{}, of.calls...)}
}

// AdminPath is where Handler has the recording.
const AdminPath = "/recording"

// Handler is the admin endpoint: PUT ?role=NAME begins a recording, GET shows it,
// DELETE ends it. Each answers with what is recorded then.
func Handler(r *Recorder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+AdminPath, func(w http.ResponseWriter, _ *http.Request) { r.show(w) })
	mux.HandleFunc("PUT "+AdminPath, func(w http.ResponseWriter, request *http.Request) {
		role := request.URL.Query().Get("role")
		if role == "" {
			http.Error(w, "role: name the role whose calls to record, as in "+AdminPath+"?role=NAME", http.StatusBadRequest)
			return
		}
		r.Begin(role)
		r.show(w)
	})
	mux.HandleFunc("DELETE "+AdminPath, func(w http.ResponseWriter, _ *http.Request) {
		r.End()
		r.show(w)
	})
	return mux
}

func (r *Recorder) show(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(r.document())
}
