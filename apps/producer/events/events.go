// Package events generates the events of a seed.
//
// The message at a position follows from the seed and the position alone, except its ts.
// So anyone who knows the seed and the total can compute what was sent, in any order and
// in constant memory. The package must not know SQS or the time.
package events

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

// Source is the endless sequence of messages of a seed. The shares decide which positions
// are bad or duplicates; no other field of a message depends on them.
type Source struct {
	Seed int
	// BadPercent is the share of deliberately bad messages, DuplicatePercent the share of
	// messages that are sent a second time.
	BadPercent, DuplicatePercent int
}

// Message is a message of a Source, without its ts.
type Message struct {
	RequestID, EventType     string
	Priority, Bad, Duplicate bool
	event                    event.Event
}

// At returns the message at a position, counted from 0. A duplicate is the message before
// it, sent again.
func (s Source) At(i int) Message {
	m, again := s.draw(i)
	// Only the second message of a pair may be a duplicate. If a share s of the messages
	// is sent a second time, that is a share 2s/(1+s) of the pairs.
	percent := float64(s.DuplicatePercent)
	if i%2 == 1 && again*(100+percent) < 2*percent {
		m, _ = s.draw(i - 1)
		m.Duplicate = true
	}
	return m
}

var (
	categories = []string{"Books", "Camera", "Cookware", "Furniture", "Games", "Headphones", "Mobiles", "Shoes", "Tables", "Watches"}
	variants   = []string{"black", "red"}

	// namespace keeps these ids apart from ids that others derive from numbers.
	namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/mystique-unicorn/sales-events"))
)

// draw returns the message of a position, and the number that decides whether a duplicate
// replaces it. The order of the draws must not change, since it decides the events of a
// seed.
func (s Source) draw(i int) (m Message, again float64) {
	id := uuid.NewSHA1(namespace, []byte(strconv.Itoa(s.Seed)+"/"+strconv.Itoa(i)))
	r := rand.New(rand.NewPCG(binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])))
	percent := func(n int) bool { return r.Float64()*100 < float64(n) }

	again = r.Float64()
	bad := percent(s.BadPercent)
	store := 1 + r.IntN(10)
	e := event.Event{
		RequestID: id.String(),
		StoreID:   &store,
		CustID:    100 + r.IntN(900),
		Category:  categories[r.IntN(len(categories))],
		SKU:       18981 + r.IntN(10000),
		Price:     float64(r.IntN(10000)) / 100,
		Qty:       1 + r.IntN(38),
		Discount:  float64(r.IntN(200)) / 10,
		GiftWrap:  percent(50),
		Variant:   variants[r.IntN(len(variants))],
		Priority:  percent(30),
	}
	eventType := event.Sale
	if percent(50) {
		eventType = event.Inventory
		e.IsReturn = percent(10)
	}
	if bad {
		e.StoreID, e.BadMsg = nil, true
	}
	return Message{RequestID: e.RequestID, EventType: eventType, Priority: e.Priority, Bad: bad, event: e}, again
}

// Body returns the message's body, with ts as its time.
func (m Message) Body(ts time.Time) string {
	e := m.event
	e.TS = ts.UTC()
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // a struct of plain values
	}
	return string(body)
}
