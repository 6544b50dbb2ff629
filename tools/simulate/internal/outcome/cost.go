package outcome

import (
	_ "embed" // the prices
	"time"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

//go:embed prices.yaml
var pricesText []byte

// Prices are AWS's prices for what a run uses.
type Prices struct {
	Date   string `json:"date"`
	Region string `json:"region"`
	Node   struct {
		Type       string  `json:"type"`
		Hour       float64 `json:"hour"`
		Processors float64 `json:"processors"`
		Memory     float64 `json:"memory"`
		Pods       float64 `json:"pods"`
	} `json:"node"`
	QueueRequests float64 `json:"queueRequests"` // for a million
	Puts          float64 `json:"puts"`          // for a thousand
}

// Cost is in US dollars.
type Cost struct {
	// Burst is the cost of one run of the load: pods, calls and objects. Month is the
	// cost of a month with BurstsPerDay of them, with the minimum of pods for the rest of
	// the time.
	Burst        float64 `json:"burst"`
	BurstsPerDay float64 `json:"burstsPerDay"`
	Month        float64 `json:"month"`
	// PodHour is a pod's share of its node.
	PodHour float64 `json:"podHour"`
	// Prices says when and where the prices apply.
	Prices string `json:"prices"`
}

// ReadPrices reads the embedded file.
func ReadPrices() (p Prices, err error) {
	err = yaml.UnmarshalStrict(pricesText, &p)
	return p, err
}

const (
	daysPerMonth = 365.0 / 12
	burstsPerDay = 1
)

// newCost returns the mean cost of all runs.
func newCost(s scenario.Scenario, runs []world.Run) Cost {
	p, err := ReadPrices()
	if err != nil {
		panic(err) // a test reads the file
	}
	hour := p.Node.Hour * max(s.Consumer.CPU/p.Node.Processors, s.Consumer.Memory/p.Node.Memory, 1/p.Node.Pods)
	c := Cost{PodHour: hour, BurstsPerDay: burstsPerDay, Prices: p.Node.Type + " in " + p.Region + ", " + p.Date}
	busy := 0.0
	for _, r := range runs {
		c.Burst += r.PodSeconds/time.Hour.Seconds()*hour + float64(r.Requests)/1e6*p.QueueRequests + float64(r.Puts)/1e3*p.Puts
		busy += max(0, r.Settled)
	}
	c.Burst /= float64(len(runs))
	busy /= float64(len(runs)) * time.Hour.Seconds()
	idle := max(0, 24-burstsPerDay*busy) * float64(s.Minimum()) * hour
	c.Month = daysPerMonth * (burstsPerDay*c.Burst + idle)
	return c
}
