package localaws

import (
	"encoding/json"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/authz"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
)

// callsPath is the path of the calls on the admin endpoint.
const callsPath = "/calls"

// Admin returns the admin endpoint: faults, and GET /calls, which lists the calls by
// caller, and the actions that roles are granted but never used. DELETE /calls clears the
// list. /recording records the calls of a role.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(fault.AdminPath, fault.Handler(s.faults))
	mux.Handle(recording.AdminPath, s.recordings())
	mux.HandleFunc("GET "+callsPath, s.showCalls)
	mux.HandleFunc("DELETE "+callsPath, func(w http.ResponseWriter, r *http.Request) {
		if s.guard != nil {
			s.guard.Calls().Reset()
		}
		s.showCalls(w, r)
	})
	return mux
}

// recordings returns the admin endpoint of recordings.
func (s *Server) recordings() http.Handler {
	if s.guard != nil {
		return recording.Handler(s.recorder)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "a recording is of the calls of a role: without enforce in the configuration no call has one", http.StatusConflict)
	})
}

func (s *Server) showCalls(w http.ResponseWriter, _ *http.Request) {
	var out struct {
		Enforced bool           `json:"enforced"`
		Calls    []authz.Count  `json:"calls"`
		Unused   []authz.Unused `json:"unused"`
	}
	out.Enforced = s.guard != nil
	out.Calls, out.Unused = s.Calls()
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(out)
}
