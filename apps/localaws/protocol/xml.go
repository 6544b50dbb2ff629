package protocol

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// Elements are the content of an answer, by name. encoding/xml encodes the values.
type Elements map[string]any

// Encode encodes the elements now, for WriteEC2 to send later: what they point to may
// change meanwhile.
func (e Elements) Encode() ([]byte, *Error) {
	body := &bytes.Buffer{}
	encoder := xml.NewEncoder(body)
	if err := cmp.Or(encodeAll(encoder, e), encoder.Flush()); err != nil {
		return nil, &Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError, Receiver: true}
	}
	return body.Bytes(), nil
}

// WriteEC2 answers an action of EC2, whose answers contain their elements directly.
func WriteEC2(w http.ResponseWriter, namespace, action string, encoded []byte) {
	id := uuid.NewString()
	writeXML(w, http.StatusOK, id, func(e *xml.Encoder) error {
		return e.Encode(struct {
			XMLName   xml.Name
			Namespace string `xml:"xmlns,attr"`
			RequestID string `xml:"requestId"`
			Content   []byte `xml:",innerxml"`
		}{xml.Name{Local: action + "Response"}, namespace, id, encoded})
	})
}

// WriteEC2Error answers with an error in EC2's form.
func WriteEC2Error(w http.ResponseWriter, err *Error) {
	type item struct{ Code, Message string }
	id := uuid.NewString()
	writeXML(w, cmp.Or(err.Status, http.StatusBadRequest), id, func(e *xml.Encoder) error {
		return e.Encode(struct {
			XMLName   xml.Name `xml:"Response"`
			Errors    []item   `xml:"Errors>Error"`
			RequestID string
		}{Errors: []item{{err.Code, err.Message}}, RequestID: id})
	})
}

// WriteQuery answers an action of IAM or STS, whose answers contain a result element. For
// an action without output result is nil.
func WriteQuery(w http.ResponseWriter, namespace, action string, result Elements) {
	id := uuid.NewString()
	writeXML(w, http.StatusOK, id, func(e *xml.Encoder) error {
		return element(e, action+"Response", namespace, func() error {
			if result != nil {
				err := element(e, action+"Result", "", func() error { return encodeAll(e, result) })
				if err != nil {
					return err
				}
			}
			return e.EncodeElement(struct{ RequestId string }{id}, named("ResponseMetadata"))
		})
	})
}

// WriteQueryError answers with an error in the form of IAM and STS.
func WriteQueryError(w http.ResponseWriter, namespace string, err *Error) {
	type detail struct{ Type, Code, Message string }
	side := "Sender"
	if err.Receiver {
		side = "Receiver"
	}
	id := uuid.NewString()
	writeXML(w, cmp.Or(err.Status, http.StatusBadRequest), id, func(e *xml.Encoder) error {
		return e.Encode(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Namespace string   `xml:"xmlns,attr,omitempty"`
			Error     detail
			RequestId string
		}{Namespace: namespace, Error: detail{side, err.Code, err.Message}, RequestId: id})
	})
}

// writeXML sends what encode writes, as a whole and with its length.
func writeXML(w http.ResponseWriter, status int, id string, encode func(*xml.Encoder) error) {
	body := bytes.NewBufferString(xml.Header)
	e := xml.NewEncoder(body)
	if err := cmp.Or(encode(e), e.Flush()); err != nil {
		// The bodies are this package's own structs and strings: one that does not encode
		// is a bug.
		status = http.StatusInternalServerError
		body = bytes.NewBufferString(xml.Header)
		_, _ = body.WriteString("<Response><Errors><Error><Code>InternalError</Code></Error></Errors></Response>")
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.Header().Set("X-Amzn-RequestId", id)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

func element(e *xml.Encoder, name, namespace string, inside func() error) error {
	start := named(name)
	if namespace != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	}
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	return cmp.Or(inside(), e.EncodeToken(start.End()))
}

func encodeAll(e *xml.Encoder, elements Elements) error {
	for _, name := range slices.Sorted(maps.Keys(elements)) {
		if err := e.EncodeElement(elements[name], named(name)); err != nil {
			return err
		}
	}
	return nil
}

func named(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }
