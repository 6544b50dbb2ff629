// Package recording records the calls of one role with their answers, writes them to a
// file and replays them. The file has no identifiers or times that change from run to
// run. So a test can compare the local AWS with the calls of a real program, and two
// versions of the program with each other.
//
// The package must not know any service, nor the program that makes the calls.
package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Call is a call with its answer. It has no credentials, no signature and no request ID.
type Call struct {
	// At is the time of the call in milliseconds since the start of the recording.
	At int64 `json:"at"`
	// Service is the service name in the call's signature.
	Service string `json:"service"`
	Method  string `json:"method"`
	// Path is the escaped path.
	Path  string `json:"path"`
	Query string `json:"query,omitempty"`
	// Header has Content-Type and the headers X-Amz-*, except those of the signature.
	Header map[string]string `json:"header,omitempty"`
	Body   Body              `json:"body,omitzero"`
	Status int               `json:"status"`
	Answer Body              `json:"answer,omitzero"`
}

// Body is the body of a request or an answer in its most readable form. At most one field
// is set.
type Body struct {
	Form map[string]string `json:"form,omitempty"`
	// JSON has sorted keys.
	JSON json.RawMessage `json:"json,omitempty"`
	Text string          `json:"text,omitempty"`
}

// Host replaces the server's host in URLs.
const Host = "aws"

// newCall returns the call of a request, without its answer.
func newCall(r *http.Request, service string, body []byte) Call {
	c := Call{Service: service, Method: r.Method, Path: r.URL.EscapedPath(), Header: map[string]string{}}
	query := r.URL.Query()
	maps.DeleteFunc(query, func(name string, _ []string) bool { return strings.HasPrefix(name, "X-Amz-") })
	c.Query = query.Encode()
	for name := range r.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz") && !ofSignature(name) {
			c.Header[name] = r.Header.Get(name)
		}
	}
	text := strings.ReplaceAll(string(body), r.Host, Host)
	if form, err := url.ParseQuery(text); err == nil && protocol.IsQuery(r) {
		c.Body.Form = map[string]string{}
		for name, values := range form {
			c.Body.Form[name] = values[0]
		}
		return c
	}
	c.Body = newBody(text)
	return c
}

// ofSignature reports whether a header depends on the signature or the body.
func ofSignature(header string) bool {
	return slices.Contains([]string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-User-Agent"}, header) ||
		strings.HasPrefix(header, "X-Amz-Checksum-") || strings.HasPrefix(header, "X-Amz-Sdk-")
}

func newBody(text string) Body {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if !strings.HasPrefix(text, "{") || decoder.Decode(&value) != nil || decoder.More() {
		return Body{Text: text}
	}
	sorted, err := encode(value)
	if err != nil {
		return Body{Text: text}
	}
	return Body{JSON: sorted}
}

// encode encodes a value as JSON without escaping the characters of XML.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// String returns the body as it is sent.
func (b Body) String() string {
	switch {
	case b.Form != nil:
		form := url.Values{}
		for name, value := range b.Form {
			form.Set(name, value)
		}
		return form.Encode()
	case b.JSON != nil:
		return string(b.JSON)
	}
	return b.Text
}

// Action returns the name of the action. For a REST protocol it is the method and the
// path with the subresource.
func (c Call) Action() string {
	if action := c.Body.Form["Action"]; action != "" {
		return action
	}
	if target := c.Header["X-Amz-Target"]; target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	action := c.Method + " " + c.Path
	if sub := slices.Sorted(maps.Keys(c.query(func(value string) bool { return value == "" }))); len(sub) > 0 {
		action += "?" + strings.Join(sub, "&")
	}
	return action
}

// query returns the parameters of the query whose values are wanted.
func (c Call) query(wanted func(value string) bool) url.Values {
	query, err := url.ParseQuery(c.Query)
	if err != nil {
		return nil
	}
	maps.DeleteFunc(query, func(name string, _ []string) bool { return !wanted(query.Get(name)) })
	return query
}

// observes reports whether the call is read-only.
func (c Call) observes() bool {
	action := c.Action()
	return slices.ContainsFunc([]string{"Describe", "Get", "List", "GET ", "HEAD "}, func(prefix string) bool {
		return strings.HasPrefix(action, prefix)
	})
}

// request returns the call without its time and its answer.
func (c Call) request() Call {
	c.At, c.Status, c.Answer = 0, 0, Body{}
	return c
}

// replaced applies f to the texts of the request, always in the same order.
func (c Call) replaced(f func(string) string) Call {
	parts := strings.Split(c.Path, "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = url.PathEscape(f(plain))
		}
	}
	c.Path = strings.Join(parts, "/")
	if query, err := url.ParseQuery(c.Query); err == nil {
		for _, name := range slices.Sorted(maps.Keys(query)) {
			for i, value := range query[name] {
				query[name][i] = f(value)
			}
		}
		c.Query = query.Encode()
	}
	c.Header = replacedValues(c.Header, f)
	c.Body = c.Body.replaced(f)
	return c
}

func (b Body) replaced(f func(string) string) Body {
	b.Form = replacedValues(b.Form, f)
	if b.JSON != nil {
		b.JSON = json.RawMessage(f(string(b.JSON)))
	}
	b.Text = f(b.Text)
	return b
}

func replacedValues(values map[string]string, f func(string) string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out[name] = f(values[name])
	}
	return out
}

// Source describes what was recorded.
type Source struct {
	// Program is the program that made the calls, in this version.
	Program string `json:"program"`
	Version string `json:"version"`
	Role    string `json:"role"`
	// Calls is the number of recorded calls. The file has fewer, see Normalize.
	Calls int `json:"calls"`
}

// Write writes a recording as lines of JSON: one for the source and one for each call.
func Write(w io.Writer, source Source, calls []Call) error {
	lines := []any{source}
	for _, c := range calls {
		lines = append(lines, c)
	}
	for _, line := range lines {
		data, err := encode(line)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(data, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a recording that Write wrote. An error names the line.
func Read(r io.Reader) (source Source, calls []Call, err error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&source); err != nil {
		return source, nil, fmt.Errorf("line 1: %w", err)
	}
	for line := 2; ; line++ {
		var c Call
		err := decoder.Decode(&c)
		if err == io.EOF {
			return source, calls, nil
		}
		if err != nil {
			return source, nil, fmt.Errorf("line %d: %w", line, err)
		}
		calls = append(calls, c)
	}
}
