package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"
)

const (
	// maxDocument, in bytes, is well above the largest policy that AWS accepts, even
	// indented: a key policy may have 32 KiB.
	maxDocument = 64 << 10
	// maxDepth is the depth that the grammar needs: a condition's value in its list.
	// Together with maxKey, which is longer than any condition key, it limits the length
	// of JSON paths.
	maxDepth = 6
	maxKey   = 256
)

// node is a JSON value with its position. encoding/json would accept duplicate keys and
// use the last one, where AWS rejects the document.
type node struct {
	path   string
	offset int
	// scalar is string, json.Number, bool or nil.
	scalar any
	object bool
	array  bool
	// items are an array's elements or an object's values, keys the object's keys.
	items []node
	keys  []string
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// decode reads one JSON document.
func decode(document []byte) (node, *Error) {
	if len(document) > maxDocument {
		return node{}, &Error{Statement: -1, Message: fmt.Sprintf("the document has %d bytes, more than any policy may have", len(document))}
	}
	if !utf8.Valid(document) {
		return node{}, &Error{Statement: -1, Message: "the document is not UTF-8"}
	}
	d := decoder{document: document, json: json.NewDecoder(bytes.NewReader(document))}
	d.json.UseNumber()
	root, err := d.value("", 0)
	if err != nil {
		return node{}, d.failed(err)
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return node{}, d.failed(errors.New("something follows the document"))
	}
	return root, nil
}

type decoder struct {
	document []byte
	json     *json.Decoder
}

// failed returns an error of the JSON syntax with its position.
func (d *decoder) failed(err error) *Error {
	if placed := (*Error)(nil); errors.As(err, &placed) {
		return placed
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &Error{Statement: -1, Offset: int(d.json.InputOffset()), Message: "the document is not valid JSON: " + err.Error()}
}

func (d *decoder) value(path string, depth int) (node, error) {
	n := node{path: path, offset: d.next()}
	if depth > maxDepth {
		return n, &Error{Statement: -1, Path: path, Offset: n.offset, Message: "is nested deeper than a policy goes"}
	}
	token, err := d.json.Token()
	if err != nil {
		return n, err
	}
	switch token {
	case json.Delim('{'):
		n.object = true
		return n, d.members(&n, depth)
	case json.Delim('['):
		n.array = true
		return n, d.elements(&n, depth)
	}
	n.scalar = token
	return n, nil
}

func (d *decoder) members(n *node, depth int) error {
	for d.json.More() {
		token, err := d.json.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // the decoder has checked that a key is a string
		if len(key) > maxKey {
			return &Error{Statement: -1, Path: n.path, Offset: n.offset, Message: "has a key longer than any that a policy may have"}
		}
		item, err := d.value(child(n.path, key), depth+1)
		if err != nil {
			return err
		}
		n.keys = append(n.keys, key)
		n.items = append(n.items, item)
	}
	_, err := d.json.Token()
	return err
}

func (d *decoder) elements(n *node, depth int) error {
	for d.json.More() {
		item, err := d.value(fmt.Sprintf("%s[%d]", n.path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := d.json.Token()
	return err
}

// next returns the offset of the next token.
func (d *decoder) next() int {
	offset := int(d.json.InputOffset())
	for offset < len(d.document) && bytes.IndexByte([]byte(" \t\r\n,:"), d.document[offset]) >= 0 {
		offset++
	}
	return offset
}

// child returns the JSON path of an object's member.
func child(path, key string) string {
	switch {
	case !identifier.MatchString(key):
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	}
	return path + "." + key
}

// get returns an object's member.
func (n node) get(key string) (node, bool) {
	for i, k := range n.keys {
		if k == key {
			return n.items[i], true
		}
	}
	return node{}, false
}

// list returns the elements of an array, or any other value as a list of one, as the
// grammar does.
func (n node) list() []node {
	if n.array {
		return n.items
	}
	return []node{n}
}

// typeName returns the value's type, for messages.
func (n node) typeName() string {
	switch n.scalar.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a Boolean"
	}
	switch {
	case n.object:
		return "an object"
	case n.array:
		return "a list"
	}
	return "null"
}
