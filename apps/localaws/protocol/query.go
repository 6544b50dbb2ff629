package protocol

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Limits of a request in the query protocol. They are above the limits of the
// services: user data has at most 16 KiB, a policy document 10.
const (
	maxQuery  = 256 << 10
	maxParams = 2000
	maxDepth  = 8 // parts of a parameter's name
)

// Query has the parameters of a request in the query protocol, which EC2, IAM and STS
// use. Names have parts: EC2's Filter.1.Value.2 is the second value of the first filter,
// IAM's Tags.member.1.Key the key of the first tag.
type Query struct {
	Action, Version string
	// Body is the unchanged body of the request.
	Body string
	root *node
}

// node holds the parameters whose names begin alike, as a tree.
type node struct {
	name, value string
	set         bool
	children    map[string]*node
}

// IsQuery reports whether a request is in the query protocol.
func IsQuery(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && kind == "application/x-www-form-urlencoded"
}

// ReadQuery reads the body of a request. The error has one of AWS's codes.
func ReadQuery(r *http.Request) (*Query, *Error) {
	body, err := ReadBody(r, maxQuery)
	if err != nil {
		return nil, err
	}
	return ParseQuery(string(body))
}

// ReadBody reads the body of a request up to a limit.
func ReadBody(r *http.Request, limit int64) ([]byte, *Error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Error{
			Code: "RequestEntityTooLarge", Message: "the request has more than " + strconv.FormatInt(limit, 10) + " bytes",
			Status: http.StatusRequestEntityTooLarge,
		}
	case err != nil:
		return nil, &Error{Code: "IncompleteBody", Message: "the request cannot be read: " + err.Error()}
	}
	return body, nil
}

// ParseQuery parses a body as ReadQuery does.
func ParseQuery(body string) (*Query, *Error) {
	if strings.Count(body, "&") >= maxParams {
		return nil, malformed("more than " + strconv.Itoa(maxParams) + " parameters")
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, malformed(err.Error())
	}
	q := &Query{Action: values.Get("Action"), Version: values.Get("Version"), Body: body, root: &node{}}
	delete(values, "Action")
	delete(values, "Version")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts := strings.Split(name, ".")
		if len(parts) > maxDepth {
			return nil, malformed("the parameter " + strconv.Quote(name) + " has more than " + strconv.Itoa(maxDepth) + " parts")
		}
		q.root.at(parts).add(values[name][0])
	}
	if q.Action == "" {
		return nil, &Error{Code: "MissingAction", Message: "The request must contain the parameter Action."}
	}
	return q, nil
}

func malformed(why string) *Error {
	return &Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error: " + why}
}

func (n *node) at(parts []string) *node {
	for i, part := range parts {
		if n.children == nil {
			n.children = map[string]*node{}
		}
		if n.children[part] == nil {
			n.children[part] = &node{name: strings.Join(parts[:i+1], ".")}
		}
		n = n.children[part]
	}
	return n
}

func (n *node) add(value string) { n.value, n.set = value, true }

// Decode fills a struct. A field takes the parameter with its name, or with the name in
// its tag "query". Fields are strings, numbers, booleans, pointers to these for optional
// ones, structs, and slices of all. A slice takes Name.1, Name.2 and Name.member.1;
// fields of an embedded struct count as the struct's own. unknown has the names of the
// parameters without a field, sorted.
func (q *Query) Decode(into any) (unknown []string, err *Error) {
	d := &decoder{}
	d.fields(reflect.ValueOf(into).Elem(), q.root)
	slices.Sort(d.unknown)
	return d.unknown, d.err
}

// decoder keeps the first error, and continues.
type decoder struct {
	unknown []string
	err     *Error
}

func (d *decoder) fields(into reflect.Value, from *node) {
	known := map[string]bool{}
	d.fill(into, from, known)
	for child, below := range from.children {
		if !known[child] {
			d.skip(below)
		}
	}
}

func (d *decoder) fill(into reflect.Value, from *node, known map[string]bool) {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		if field.Anonymous {
			d.fill(into.Field(i), from, known)
			continue
		}
		parameter := field.Name
		if tag := field.Tag.Get("query"); tag != "" {
			parameter = tag
		}
		known[parameter] = true
		if child := from.children[parameter]; child != nil {
			d.value(into.Field(i), child)
		}
	}
}

func (d *decoder) value(into reflect.Value, from *node) {
	kind := into.Kind()
	if kind == reflect.Pointer {
		value := reflect.New(into.Type().Elem())
		d.value(value.Elem(), from)
		into.Set(value)
		return
	}
	emptyList := kind == reflect.Slice && from.value == "" // the form that IAM's SDK sends
	if from.set && !emptyList && (kind == reflect.Struct || kind == reflect.Slice) {
		d.unknown = append(d.unknown, from.name) // it has parts, and no value of its own
	}
	switch kind {
	case reflect.Struct:
		d.fields(into, from)
	case reflect.Slice:
		d.list(into, from)
	default:
		d.scalar(into, from)
		for _, below := range from.children {
			d.skip(below)
		}
	}
}

// scalar sets a string, a number or a boolean.
func (d *decoder) scalar(into reflect.Value, from *node) {
	var err error
	switch into.Kind() {
	case reflect.String:
		into.SetString(from.value)
	case reflect.Bool:
		var value bool
		value, err = strconv.ParseBool(from.value)
		into.SetBool(value)
	case reflect.Int, reflect.Int32, reflect.Int64:
		var value int64
		value, err = strconv.ParseInt(from.value, 10, into.Type().Bits())
		into.SetInt(value)
	case reflect.Float64:
		var value float64
		value, err = strconv.ParseFloat(from.value, 64)
		into.SetFloat(value)
	default:
		panic("protocol: a query cannot be decoded into " + into.Type().String())
	}
	if err != nil && d.err == nil {
		d.err = &Error{Code: "InvalidParameterValue", Message: "Invalid value '" + from.value + "' for " + from.name + ": must be of type " +
			into.Kind().String()}
	}
}

// list appends by number; numbers may have gaps.
func (d *decoder) list(into reflect.Value, from *node) {
	if member := from.children["member"]; member != nil && len(from.children) == 1 {
		from = member
	}
	elements := map[int]*node{}
	for child, below := range from.children {
		n, err := strconv.Atoi(child)
		if err != nil || n < 0 || strconv.Itoa(n) != child {
			d.skip(below)
			continue
		}
		elements[n] = below
	}
	for _, n := range slices.Sorted(maps.Keys(elements)) {
		element := reflect.New(into.Type().Elem()).Elem()
		d.value(element, elements[n])
		into.Set(reflect.Append(into, element))
	}
}

// skip records the parameters of a node and its children as unknown.
func (d *decoder) skip(n *node) {
	if n.set {
		d.unknown = append(d.unknown, n.name)
	}
	for _, below := range n.children {
		d.skip(below)
	}
}
