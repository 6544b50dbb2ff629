package faultsim

import (
	"crypto/md5"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

// invariant is a statement that must hold in every run.
type invariant string

const (
	storedOnce     invariant = "every good event is stored exactly once, under its key"
	deadLettered   invariant = "every bad message is in the dead-letter queue, and no good one that faults did not bring there"
	storedFirst    invariant = "nothing is deleted before it is stored or quarantined"
	inHandBounded  invariant = "never more in hand than the limit"
	endsInTime     invariant = "asked to end, a process ends in its time"
	nothingLeft    invariant = "a consumer that ends leaves nothing in hand"
	heldUntilDone  invariant = "what a consumer has in hand, no other receives"
	totalIsExact   invariant = "a consumer ends when asked to, or after exactly its total"
	drained        invariant = "the queue is drained"
	noLeak         invariant = "no goroutine outlives its process"
	sentAsPromised invariant = "what a producer says it sent are the first events of its seed"
)

// ofConsumers are the invariants that a wrong consumer can break.
var ofConsumers = []invariant{
	storedOnce, deadLettered, storedFirst, inHandBounded, endsInTime, nothingLeft, heldUntilDone, totalIsExact, drained, noLeak,
}

type violation struct {
	invariant
	detail string
}

// letter has the facts about a message, which its body identifies.
type letter struct {
	label string
	good  bool
	key   string // of its object, if the message is good
	etag  string
	// acknowledged: a producer's log says that the message was sent.
	acknowledged bool
	quarantined  int
	// spent is the largest number of receives of one message with this body. Receives
	// that a fault or a kill wasted do not count.
	spent int
}

// receipt is one receive of a message.
type receipt struct {
	id, body string
	by       *process
	times    int // the message's receive count, this receive included
	// excused is why another consumer may receive the message while this one has it in
	// hand. It is empty if none may.
	excused string
}

// ledger has the facts about all messages. The world's lock guards it.
type ledger struct {
	letters    map[string]*letter  // by body
	byKey      map[string]*letter  // the good ones by key
	byRequest  map[string]*letter  // by request_id
	receipts   map[string]*receipt // by handle
	newest     map[string]string   // the handle, by message id
	violations []violation
}

func newLedger() ledger {
	return ledger{
		letters: map[string]*letter{}, byKey: map[string]*letter{}, byRequest: map[string]*letter{},
		receipts: map[string]*receipt{}, newest: map[string]string{},
	}
}

// holding is what a consumer has in hand, as its calls show. It may be less than the
// consumer counts itself, but never more. The world's lock guards it.
type holding struct {
	inHand  map[string]bool     // by handle: received, and no call yet that ends it
	open    map[string]bool     // by handle: received, and neither deleted nor given back
	failed  map[string]bool     // by handle: could not be stored
	handles map[string][]string // by message id
	deleted map[string]bool     // by handle
	sent    int                 // the producer's number of acknowledged messages
	first   map[string]bool     // their request_ids
}

func newHolding() holding {
	return holding{
		inHand: map[string]bool{}, open: map[string]bool{}, failed: map[string]bool{}, handles: map[string][]string{},
		deleted: map[string]bool{}, first: map[string]bool{},
	}
}

func (w *world) violate(i invariant, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violateLocked(i, format, args...)
}

func (w *world) violateLocked(i invariant, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	w.violations = append(w.violations, violation{i, detail})
	w.noteLocked("VIOLATED", "%s: %s", i, detail)
}

// about returns the labels of a call's messages.
func (w *world) about(c *call) (labels []string) {
	if c.request.key != "" {
		label := c.request.key
		if l := w.byRequest[requestOf(c.request.key)]; l != nil {
			label = l.label
		}
		return []string{label}
	}
	if body := c.request.MessageBody; body != "" {
		labels = append(labels, w.letter(c.process, body).label)
	}
	for _, e := range c.request.Entries {
		if e.MessageBody != "" {
			labels = append(labels, w.letter(c.process, e.MessageBody).label)
		}
		if r := w.receipts[e.ReceiptHandle]; r != nil {
			labels = append(labels, w.letters[r.body].label)
		}
	}
	return labels
}

// requestOf returns the request_id in a key.
func requestOf(key string) string {
	return strings.TrimSuffix(key[strings.LastIndex(key, "/")+1:], ".json")
}

// letter returns the letter of a body. It creates one for a new body, whose producer is
// then p.
func (w *world) letter(p *process, body string) *letter {
	if l := w.letters[body]; l != nil {
		return l
	}
	var e event.Event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		panic(fmt.Sprintf("%s sends %s, which is no event", p.name, body)) // a bug of this test
	}
	l := &letter{etag: fmt.Sprintf(`"%x"`, md5.Sum([]byte(body)))}
	w.letters[body] = l
	i, ok := p.positions[e.RequestID]
	if !ok {
		panic(fmt.Sprintf("%s sends %s, which is not of its seed", p.name, body)) // a bug of this test
	}
	m := p.source.At(i)
	l.good = !m.Bad
	l.label = fmt.Sprintf("%c%d", "efgh"[min(p.generation, 3)], i)
	l.key = fmt.Sprintf("events/event_type=%s/dt=%s/%s.json", m.EventType, e.TS.UTC().Format("2006_01_02"), m.RequestID)
	if l.good {
		w.byKey[l.key] = l
	} else {
		l.label += "!"
	}
	w.byRequest[e.RequestID] = l
	return l
}

// onCall records what a process gives up with a request that it sends.
func (w *world) onCall(c *call) {
	h := &c.process.holding
	for _, e := range c.request.Entries {
		if e.ReceiptHandle == "" {
			continue
		}
		if c.action == "DeleteMessageBatch" {
			h.deleted[e.ReceiptHandle] = true
		} else if e.VisibilityTimeout > 0 && !h.failed[e.ReceiptHandle] {
			continue // a heartbeat
		}
		h.release(w.receipts[e.ReceiptHandle])
	}
}

// release removes a message from what the consumer has in hand, by all its handles.
func (h *holding) release(r *receipt) {
	if r == nil {
		return
	}
	for _, handle := range h.handles[r.id] {
		delete(h.inHand, handle)
		delete(h.open, handle)
	}
}

// onArrival checks a request that reaches the server.
func (w *world) onArrival(c *call) {
	if c.action != "DeleteMessageBatch" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range c.request.Entries {
		r := w.receipts[e.ReceiptHandle]
		if r == nil {
			continue
		}
		l := w.letters[r.body]
		if l.good && !w.isStored(l.key) || !l.good && l.quarantined == 0 {
			w.violateLocked(storedFirst, "%s deletes %s", c.process.name, l.label)
		}
		if r.excused == "" && c.out > w.late() {
			r.excused = "its delete is late"
		}
		if w.newest[r.id] != e.ReceiptHandle && r.excused == "" {
			w.violateLocked(heldUntilDone, "%s deletes %s, which another receive has brought since", c.process.name, l.label)
		}
	}
}

// late is the shortest delay of a call that endangers the messages in hand: the time
// between two heartbeats.
func (w *world) late() time.Duration {
	return config.Heartbeat(min(config.FirstVisibility, time.Duration(w.plan.visibility)*time.Second))
}

func (w *world) isStored(key string) bool {
	return w.ask(httptest.NewRequest(http.MethodHead, "/"+bucketName+"/"+key, nil), nil) == http.StatusOK
}

// onEffect records the server's answer, even if it gets lost.
func (w *world) onEffect(c *call, answer *httptest.ResponseRecorder, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	struck := c.struck()
	effect := !lost && answer.Code == http.StatusOK
	for _, f := range c.faults.Struck() {
		effect = effect || f.Late
	}
	switch c.action {
	case "ReceiveMessage":
		c.received = messages(answer)
		for _, m := range c.received {
			r := &receipt{id: m.MessageID, body: m.Body, by: c.process, times: m.times()}
			if struck {
				r.excused = "it was delivered twice"
			} else if c.back > w.late() {
				r.excused = "it came late"
			}
			w.receipts[m.ReceiptHandle] = r
			// Two answers of the same instant get here in any order.
			if old := w.receipts[w.newest[m.MessageID]]; old == nil || old.times < r.times {
				w.newest[m.MessageID] = m.ReceiptHandle
			}
			c.about = append(c.about, w.letters[m.Body].label)
		}
	case "SendMessage":
		if effect && strings.HasSuffix(c.request.QueueURL, "/"+deadName) {
			w.letters[c.request.MessageBody].quarantined++
		}
	case "ChangeMessageVisibilityBatch", "DeleteMessageBatch":
		if struck || c.out > w.late() {
			w.excuse(c)
		}
	}
}

// excuseAll excuses all receives, because the clock jump affects every message.
func (w *world) excuseAll() {
	for _, r := range w.receipts {
		r.excused = "the clock jumped"
	}
}

type received struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	Attributes    struct{ ApproximateReceiveCount string }
}

func (r received) times() int {
	n, err := strconv.Atoi(r.Attributes.ApproximateReceiveCount)
	if err != nil {
		panic(fmt.Sprintf("a receive without count: %v", err)) // a bug of this test
	}
	return n
}

func messages(answer *httptest.ResponseRecorder) []received {
	var out struct{ Messages []received }
	if answer.Code != http.StatusOK || answer.Body.Len() == 0 {
		return nil
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		panic(fmt.Sprintf("the local AWS answers with %s", answer.Body)) // a bug of this test
	}
	return out.Messages
}

// onAnswer records the answer that a process gets, or the error after which it gives up.
func (w *world) onAnswer(c *call, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(c.process.name, "%s: %s (%s)", c, c.outcome(a), (w.now() - c.began).Round(time.Microsecond))
	if a.err != nil {
		w.excuse(c)
		return
	}
	h := &c.process.holding
	for _, m := range c.received {
		h.inHand[m.ReceiptHandle], h.open[m.ReceiptHandle] = true, true
		h.handles[m.MessageID] = append(h.handles[m.MessageID], m.ReceiptHandle)
	}
	if n, limit := len(h.inHand), w.plan.consumer.InHand(); len(c.received) > 0 && n > limit {
		w.violateLocked(inHandBounded, "%s has %d messages in hand, at most %d are allowed", c.process.name, n, limit)
	}
}

// excuse excuses the receives of a call that failed or was late.
func (w *world) excuse(c *call) {
	for _, e := range c.request.Entries {
		if r := w.receipts[e.ReceiptHandle]; r != nil && r.excused == "" {
			r.excused = "a call for it failed"
		}
	}
}

// onProduced records that a producer's log says it sent a message.
func (w *world) onProduced(p *process, request string) {
	p.sent++
	p.first[request] = true
	w.byRequest[request].acknowledged = true
}

// onFailed records that a consumer's log says it could not store a message.
func (w *world) onFailed(p *process, id string) {
	for _, handle := range p.handles[id] {
		p.failed[handle] = true
		delete(p.inHand, handle)
	}
}

// onEnd checks a process that ended by itself.
func (w *world) onEnd(p *process, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.isDead() {
		return
	}
	w.noteLocked(p.name, "ends: %s", w.readable(fmt.Sprint(err)))
	took := w.now() - p.asked
	if p.asked > 0 && took > p.drain {
		w.violateLocked(endsInTime, "%s took %s, at most %s are allowed", p.name, took, p.drain)
	}
	switch {
	case strings.HasPrefix(p.name, "producer"):
		w.checkProducer(p, err)
	case err != nil:
		// Its queue did not exist yet.
	case p.asked == 0 && (w.plan.consumer.Total == 0 || len(p.deleted) != w.plan.consumer.Total):
		w.violateLocked(totalIsExact, "%s ended after %d messages, its total is %d", p.name, len(p.deleted), w.plan.consumer.Total)
	case len(p.open) > 0 && (p.asked == 0 || took < p.drain):
		w.violateLocked(nothingLeft, "%s ended with %s", p.name, w.labels(p.open))
	}
}

func (w *world) labels(handles map[string]bool) []string {
	var labels []string
	for handle := range handles {
		labels = append(labels, w.letters[w.receipts[handle].body].label)
	}
	slices.Sort(labels)
	return labels
}

// checkProducer compares a producer's log with its seed: the acknowledged events are the
// first ones of the seed.
func (w *world) checkProducer(p *process, err error) {
	if err != nil {
		return
	}
	for i := range p.sent {
		if id := p.source.At(i).RequestID; !p.first[id] {
			w.violateLocked(sentAsPromised, "%s says it sent %d, event %d is not among them", p.name, p.sent, i)
		}
	}
}

// judge checks what must hold at the end of the run.
func (w *world) judge() {
	objects := w.objects()
	dead := w.deadLetters()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) > 0 {
		return // the run was cut short by a violation
	}
	spent := map[string]int{} // by message id
	for _, r := range w.receipts {
		if r.excused == "" && !r.by.isDead() {
			spent[r.id]++
			l := w.letters[r.body]
			l.spent = max(l.spent, spent[r.id])
		}
	}
	stored := map[string]int{}
	for key, etag := range objects {
		l := w.byKey[key]
		if l == nil || l.etag != etag {
			w.violateLocked(storedOnce, "the bucket has %s, which is no event that was sent", key)
			continue
		}
		stored[l.label]++
	}
	for _, l := range w.letters {
		switch {
		case l.good && dead[l.label] > 0:
			if l.spent > maxReceives-3 {
				w.violateLocked(deadLettered, "%s is good, and in the dead-letter queue", l.label)
			}
		case l.good && l.acknowledged && stored[l.label] == 0:
			w.violateLocked(storedOnce, "%s is lost", l.label)
		case !l.good && l.acknowledged && dead[l.label] == 0:
			w.violateLocked(deadLettered, "%s is lost", l.label)
		}
	}
}

// objects returns the bucket's objects, each with its ETag.
func (w *world) objects() map[string]string {
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/"+bucketName+"?list-type=2", nil))
	var page struct {
		IsTruncated bool
		Contents    []struct{ Key, ETag string }
	}
	if err := xml.Unmarshal(answer.Body.Bytes(), &page); err != nil || page.IsTruncated {
		panic(fmt.Sprintf("the local AWS lists %s", answer.Body)) // a bug of this test
	}
	objects := map[string]string{}
	for _, o := range page.Contents {
		objects[o.Key] = o.ETag
	}
	return objects
}

// deadLetters counts the messages of the dead-letter queue by label.
func (w *world) deadLetters() map[string]int {
	counts := map[string]int{}
	for {
		var out struct{ Messages []received }
		w.askSQS("ReceiveMessage", map[string]any{"QueueUrl": queueURL(deadName), "MaxNumberOfMessages": 10, "VisibilityTimeout": 3600}, &out)
		if len(out.Messages) == 0 {
			return counts
		}
		for _, m := range out.Messages {
			l := w.letters[m.Body]
			if l == nil {
				w.violate(deadLettered, "the dead-letter queue has %s, which nobody sent", m.Body)
				continue
			}
			counts[l.label]++
		}
	}
}

// nameless matches what differs from run to run: ids of messages, events and requests,
// and receipt handles.
var nameless = regexp.MustCompile(`[A-Za-z0-9_-]{48}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// readable replaces the ids in a text by the labels of their messages.
func (w *world) readable(text string) string {
	// net/http adds this or not, depending on the order of its goroutines.
	text = strings.ReplaceAll(text, " (Client.Timeout exceeded while awaiting headers)", "")
	return nameless.ReplaceAllStringFunc(text, func(name string) string {
		if l := w.byRequest[name]; l != nil {
			return l.label
		}
		if handle, ok := w.newest[name]; ok {
			name = handle
		}
		if r := w.receipts[name]; r != nil {
			return w.letters[r.body].label
		}
		return "…"
	})
}

// checkLeaks fails if goroutines are left.
func (w *world) checkLeaks() {
	if leaked := goroutines(); len(leaked) > 0 {
		w.violate(noLeak, "%s", strings.Join(leaked, "\n\n"))
	}
}

var header = regexp.MustCompile(`^goroutine \d+ .*(synctest bubble \d+)`)

// stacks are buffers for goroutines. Without the pool each run would clear a new one.
var stacks = sync.Pool{New: func() any { return new(make([]byte, 1<<20)) }}

// goroutines returns the stacks of this bubble's goroutines, except the caller's and
// those of synctest.Test.
func goroutines() (others []string) {
	pooled := stacks.Get().(*[]byte)
	defer stacks.Put(pooled)
	n := runtime.Stack(*pooled, true)
	for ; n == len(*pooled); n = runtime.Stack(*pooled, true) { // there may be more
		*pooled = make([]byte, 2*n)
	}
	// The caller's stack comes first.
	all := strings.Split(string((*pooled)[:n]), "\n\n")
	own := header.FindStringSubmatch(all[0])
	if own == nil {
		panic("a goroutine's stack does not name its bubble") // a bug of this test
	}
	for _, stack := range all[1:] {
		if found := header.FindStringSubmatch(stack); found != nil && found[1] == own[1] && !strings.Contains(stack, "testing/synctest.Test") {
			others = append(others, stack)
		}
	}
	return others
}
