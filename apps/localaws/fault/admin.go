package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// document is the JSON document of the admin endpoint.
type document struct {
	Seed   uint64 `json:"seed"`
	Faults []item `json:"faults"`
}

// item is a fault in JSON, with durations as text, such as 25ms.
type item struct {
	Fault
	Latency duration `json:"latency,omitzero"`
	Spread  duration `json:"spread,omitzero"`
	Lag     duration `json:"lag,omitzero"`
	// Hits counts how often it hit; a request cannot set it.
	Hits int `json:"hits"`
}

func (i item) fault() Fault {
	i.Fault.Latency, i.Fault.Spread, i.Fault.Lag = time.Duration(i.Latency), time.Duration(i.Spread), time.Duration(i.Lag)
	return i.Fault
}

type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// AdminPath is the path at which Handler serves.
const AdminPath = "/faults"

// Handler returns the admin endpoint for faults: GET shows them, PUT replaces them, POST
// adds some, DELETE removes them. Each answers with the faults that result.
func Handler(faults *Faults) http.Handler {
	mux := http.NewServeMux()
	show := func(w http.ResponseWriter, _ *http.Request) { faults.show(w) }
	change := func(replace bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := faults.change(http.MaxBytesReader(w, r.Body, maxDocument), replace); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			faults.show(w)
		}
	}
	mux.HandleFunc("GET "+AdminPath, show)
	mux.HandleFunc("PUT "+AdminPath, change(true))
	mux.HandleFunc("POST "+AdminPath, change(false))
	mux.HandleFunc("DELETE "+AdminPath, func(w http.ResponseWriter, _ *http.Request) {
		faults.Set(0)
		faults.show(w)
	})
	return mux
}

const maxDocument = 1 << 20

// change applies a whole document, or nothing of it.
func (f *Faults) change(body io.Reader, replace bool) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var in document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return fmt.Errorf("the request is not a document of faults: %w", err)
	}
	if in.Seed != 0 && !replace {
		return fmt.Errorf("seed: only PUT sets it, which begins anew")
	}
	var next []Fault
	for i, item := range in.Faults {
		fault := item.fault()
		if err := fault.check(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
		next = append(next, fault)
	}
	if replace {
		f.Set(in.Seed, next...)
		return nil
	}
	for _, fault := range next {
		f.Add(fault)
	}
	return nil
}

func (f *Faults) show(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	out := f.document()
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(out)
}

func (f *Faults) document() document {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := document{Seed: f.seed, Faults: []item{}}
	for _, a := range f.coming {
		out.Faults = append(out.Faults, item{
			Fault: a.Fault, Latency: duration(a.Latency), Spread: duration(a.Spread), Lag: duration(a.Lag), Hits: a.hits,
		})
	}
	return out
}
