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

// Recorder records calls between Begin and End. It is safe for concurrent use.
type Recorder struct {
	clock   clock.Clock
	running atomic.Pointer[recording]
}

// NewRecorder returns a Recorder that does not record yet.
func NewRecorder(c clock.Clock) *Recorder { return &Recorder{clock: c} }

// recording is the recording of one role.
type recording struct {
	role  string
	clock clock.Clock
	began time.Time

	// mu is held while a recorded call is served, so the calls are recorded in the order
	// in which they take effect.
	mu      sync.Mutex
	calls   []Call
	bytes   int
	leftOut int
}

// Limits of a recording. Calls beyond them are counted as left out.
const (
	maxCalls = 20_000
	maxBytes = 64 << 20
	maxBody  = 1 << 20
)

// Begin starts a recording of the role's calls and drops the earlier one.
func (r *Recorder) Begin(role string) {
	r.running.Store(&recording{role: role, clock: r.clock, began: r.clock.Now()})
}

// End stops recording and drops the recording.
func (r *Recorder) End() { r.running.Store(nil) }

// Serve passes a request to next and, if the caller has the recorded role, records the
// call with its answer.
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

// wants reports whether a call is recorded. Calls to STS are not, because their answers
// have credentials.
func (r *recording) wants(request *http.Request, service string) bool {
	caller := access.Of(request.Context()).Caller
	return service != "sts" && caller != nil && caller.Role != "" && path.Base(caller.Role) == r.role
}

// read reads the body of a request and puts it back. whole is false if the body is too
// large or cannot be read.
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

// serve serves one call at a time. It buffers the answer, so a slow client delays no
// other call.
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

// keep adds a call to the recording. It leaves out the answers of injected faults, which
// AWS would not give. The caller recognizes them by their message, which an answer to
// HEAD does not have.
func (r *recording) keep(c Call, size int, faulty bool) {
	if faulty || len(r.calls) >= maxCalls || r.bytes+size > maxBytes {
		r.leftOut++
		return
	}
	r.calls = append(r.calls, c)
	r.bytes += size
}

// answer is an http.ResponseWriter that stores the response.
type answer struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if !a.written {
		a.status, a.written = status, true
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(data []byte) (int, error) {
	a.written = true
	return a.body.Write(data)
}

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// Document is the answer of the admin endpoint.
type Document struct {
	// Role is the recorded role. It is empty without a recording.
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

// AdminPath is the path that Handler serves.
const AdminPath = "/recording"

// Handler returns the admin endpoint: PUT ?role=NAME starts a recording, GET shows it,
// DELETE ends it. Each answer is the Document after the request.
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
