package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// document is a document of the admin endpoint, see docs/localaws.md.
type document struct {
	Seed   uint64  `json:"seed"`
	Faults []entry `json:"faults"`
}

type entry struct {
	fault.Fault
	Hits int `json:"hits,omitempty"`
}

// faults are faults that every network and AWS have now and then, here far more often.
func faults() []fault.Fault {
	list := []fault.Fault{{Action: "S3:PUT", Rate: 0.05, Code: "SlowDown"}}
	for _, action := range []string{"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"} {
		list = append(list, fault.Fault{Action: action, Rate: 0.05, Code: "RequestThrottled"})
	}
	// Either the call took effect and the caller never learns it, or it had no effect.
	for _, action := range []string{"S3:PUT", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"} {
		list = append(list, fault.Fault{Action: action, Rate: 0.005, Lost: true, Late: true})
	}
	return append(list,
		fault.Fault{Action: "S3:PUT", Rate: 0.005, Lost: true},
		fault.Fault{Action: "ReceiveMessage", Rate: 0.01, Duplicate: true},
	)
}

// kind names what a fault does.
func kind(f fault.Fault) string {
	switch {
	case f.Duplicate:
		return f.Action + " delivered twice"
	case f.Lost && f.Late:
		return f.Action + " done, answer lost"
	case f.Lost:
		return f.Action + " lost"
	}
	return f.Action + " " + f.Code
}

func setFaults(ctx context.Context, url string, seed uint64) error {
	in := document{Seed: seed}
	for _, f := range faults() {
		in.Faults = append(in.Faults, entry{Fault: f})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = call(ctx, http.MethodPut, url, body)
	return err
}

// endFaults ends the faults and returns how often each one hit a call.
func endFaults(ctx context.Context, url string) (map[string]int, error) {
	data, err := call(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	var out document
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("read the faults of the local AWS: %w", err)
	}
	hits := map[string]int{}
	for _, f := range out.Faults {
		hits[kind(f.Fault)] = f.Hits
	}
	_, err = call(ctx, http.MethodDelete, url, nil)
	return hits, err
}

// call calls the local AWS's admin endpoint.
func call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pause+5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url+fault.AdminPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call the admin endpoint of the local AWS: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the local AWS refuses the faults: %s: %s", response.Status, data)
	}
	return data, err
}
