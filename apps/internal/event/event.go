// Package event defines what the stores send: a message's body, its attributes, and the
// key under which it is stored. It is the contract between producer and consumer, and
// must not know SQS or S3.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The types of events: the values of the attribute event_type.
const (
	Sale      = "sale_event"
	Inventory = "inventory_event"
)

// The message attributes.
const (
	TypeAttribute     = "event_type"
	PriorityAttribute = "priority_shipping"
	// ReasonAttribute is added to a message that goes to the dead-letter queue.
	ReasonAttribute = "quarantine_reason"
)

// Event is the body of a message.
type Event struct {
	RequestID string    `json:"request_id"`
	StoreID   *int      `json:"store_id,omitempty"`
	CustID    int       `json:"cust_id"`
	Category  string    `json:"category"`
	SKU       int       `json:"sku"`
	Price     float64   `json:"price"`
	Qty       int       `json:"qty"`
	Discount  float64   `json:"discount"`
	GiftWrap  bool      `json:"gift_wrap"`
	Variant   string    `json:"variant"`
	Priority  bool      `json:"priority_shipping"`
	TS        time.Time `json:"ts"`
	IsReturn  bool      `json:"is_return,omitempty"`
	BadMsg    bool      `json:"bad_msg,omitempty"`
}

// maxStore is the number of physical stores.
const maxStore = 10

// requestID and maxRequestID limit what becomes part of a key: no separators, and not
// only dots. The length is not in the pattern, because the regexp compiler copies a
// repetition for each count.
var requestID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

const maxRequestID = 128

// Parse reads a message. An error says why the message can never be stored, so a retry is
// useless.
func Parse(body, eventType string) (Event, error) {
	var e Event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return Event{}, fmt.Errorf("the body is not an event in JSON: %w", err)
	}
	switch {
	case eventType == "":
		return e, errors.New("no attribute event_type")
	case eventType != Sale && eventType != Inventory:
		return e, fmt.Errorf("unknown event_type %q: must be %s or %s", eventType, Sale, Inventory)
	case e.StoreID == nil:
		return e, errors.New("no store_id")
	case *e.StoreID < 1 || *e.StoreID > maxStore:
		return e, fmt.Errorf("store_id %d: must be 1 to %d", *e.StoreID, maxStore)
	case len(e.RequestID) > maxRequestID || !requestID.MatchString(e.RequestID):
		return e, fmt.Errorf("request_id %q cannot be part of a key", e.RequestID)
	case e.TS.IsZero():
		return e, errors.New("no ts")
	}
	return e, nil
}

// Key returns the object key of the event. It depends on the event alone, so a redelivery
// gets the same key.
func (e Event) Key(prefix, eventType string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/event_type=%s/dt=%s/%s.json",
		strings.Trim(prefix, "/"), eventType, e.TS.UTC().Format("2006_01_02"), e.RequestID), "/")
}
