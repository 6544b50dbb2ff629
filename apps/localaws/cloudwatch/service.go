// Package cloudwatch serves the part of Amazon CloudWatch that this system uses: alarms
// on one metric. It is simulated: alarms are stored and returned, but there are no
// metrics, so an alarm has no data and never fires. docs/localaws.md has every action.
package cloudwatch

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Region and AccountID are part of ARNs.
	Region, AccountID string
	Guard             access.Guard
	Clock             clock.Clock
	Faults            *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	query.Handler[*Service]

	prefix string // of ARNs
	guard  access.Guard
	now    func() time.Time

	mu     sync.Mutex
	alarms map[string]*alarm // by name
}

// alarm is an alarm with its tags.
type alarm struct {
	alarmIn

	updated time.Time
	tags    map[string]string
}

// Namespace is the XML namespace of the service's answers.
const Namespace = "http://monitoring.amazonaws.com/doc/2010-08-01/"

// New returns a service without alarms.
func New(options Options) *Service {
	s := &Service{
		prefix: "arn:aws:cloudwatch:" + options.Region + ":" + options.AccountID + ":alarm:",
		guard:  options.Guard, now: options.Clock.Now, alarms: map[string]*alarm{},
	}
	s.Handler = query.Handler[*Service]{
		Service: s, Prefix: "cloudwatch", Namespace: Namespace, Actions: actions, Clock: options.Clock, Faults: options.Faults,
	}
	return s
}

var actions = map[string]query.Action[*Service]{
	"PutMetricAlarm":      query.With(putMetricAlarm),
	"DescribeAlarms":      query.With(describeAlarms),
	"DeleteAlarms":        query.With(deleteAlarms),
	"ListTagsForResource": query.With(listTags),
	"TagResource":         query.With(tagResource),
	"UntagResource":       query.With(untagResource),
}

type tag = query.Tag

type dimension struct{ Name, Value string }

// alarmIn is an alarm in a request, and the part of it that an answer has.
type alarmIn struct {
	AlarmName, AlarmDescription                        string
	ActionsEnabled                                     *bool
	OKActions, AlarmActions, InsufficientDataActions   []string
	MetricName, Namespace                              string
	Statistic, ExtendedStatistic                       string
	Dimensions                                         []dimension
	Period, EvaluationPeriods                          int
	DatapointsToAlarm                                  *int
	Unit, Threshold, ComparisonOperator                string
	TreatMissingData, EvaluateLowSampleCountPercentile string
}

type putIn struct {
	alarmIn

	Tags []tag
}

const (
	maxAlarms = 5000
	maxTags   = 50
)

var (
	number      = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	comparisons = []string{"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"}
	statistics  = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}
)

// check validates an alarm as AWS does:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func (a alarmIn) check() *protocol.Error {
	switch {
	case a.AlarmName == "" || len(a.AlarmName) > 255:
		return invalid("AlarmName must have 1 to 255 characters")
	case a.MetricName == "" || a.Namespace == "":
		return invalid("the local AWS server has alarms of one metric: MetricName and Namespace must be set")
	case !slices.Contains(comparisons, a.ComparisonOperator):
		return invalid("ComparisonOperator must be one of " + strings.Join(comparisons, ", "))
	case !number.MatchString(a.Threshold):
		return invalid("Threshold must be a number")
	case (a.Statistic == "") == (a.ExtendedStatistic == ""), a.Statistic != "" && !slices.Contains(statistics, a.Statistic):
		return invalid("Statistic must be one of " + strings.Join(statistics, ", ") + ", or ExtendedStatistic must be set")
	case a.EvaluationPeriods < 1 || a.Period < 10 || a.Period%10 != 0 || a.Period > 30 && a.Period%60 != 0:
		return invalid("Period must be 10, 20, 30 or a multiple of 60 seconds, and EvaluationPeriods at least 1")
	case len(a.Dimensions) > 30 || len(a.AlarmActions) > 5 || len(a.OKActions) > 5 || len(a.InsufficientDataActions) > 5:
		return invalid("an alarm has at most 30 dimensions, and 5 actions of each kind")
	}
	return nil
}

func invalid(message string) *protocol.Error {
	return query.Errorf("ValidationError", http.StatusBadRequest, "%s", message)
}

func putMetricAlarm(s *Service, c *query.Call, in *putIn) (protocol.Elements, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	checks := []access.Check{{Action: "cloudwatch:PutMetricAlarm", Resource: s.prefix + in.AlarmName}}
	if len(in.Tags) > 0 {
		checks = append(checks, access.Check{Action: "cloudwatch:TagResource", Resource: s.prefix + in.AlarmName})
	}
	if err := s.guard.Allow(c, checks...); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &alarm{alarmIn: in.alarmIn, updated: s.now(), tags: map[string]string{}}
	if old := s.alarms[in.AlarmName]; old != nil {
		next.tags = old.tags // "to update the tags of an existing alarm, use TagResource"
	} else {
		if len(s.alarms) >= maxAlarms {
			return nil, query.Errorf("LimitExceeded", http.StatusBadRequest, "an account has at most %d alarms", maxAlarms)
		}
		if err := next.tag(in.Tags); err != nil {
			return nil, err
		}
	}
	s.alarms[in.AlarmName] = next
	return nil, nil
}

// tag adds tags, all or none.
func (a *alarm) tag(added []tag) error {
	next := maps.Clone(a.tags)
	for _, t := range added {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 {
			return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "the tag %q is invalid", t.Key)
		}
		next[t.Key] = t.Value
	}
	if len(next) > maxTags {
		return query.Errorf("InvalidParameterValue", http.StatusBadRequest, "an alarm has at most %d tags", maxTags)
	}
	a.tags = next
	return nil
}

type describeIn struct {
	AlarmNames, AlarmTypes                               []string
	AlarmNamePrefix, ActionPrefix, StateValue, NextToken string
	MaxRecords                                           *int
}

type alarmOut struct {
	AlarmName, AlarmArn                              string
	AlarmDescription                                 string `xml:",omitempty"`
	AlarmConfigurationUpdatedTimestamp               string
	ActionsEnabled                                   bool
	OKActions, AlarmActions, InsufficientDataActions query.Members[string]
	StateValue, StateReason, StateUpdatedTimestamp   string
	MetricName, Namespace                            string
	Statistic                                        string `xml:",omitempty"`
	ExtendedStatistic                                string `xml:",omitempty"`
	Dimensions                                       query.Members[dimension]
	Period, EvaluationPeriods                        int
	DatapointsToAlarm                                *int   `xml:",omitempty"`
	Unit                                             string `xml:",omitempty"`
	Threshold, ComparisonOperator                    string
	TreatMissingData                                 string `xml:",omitempty"`
	EvaluateLowSampleCountPercentile                 string `xml:",omitempty"`
}

func (s *Service) answer(a *alarm) alarmOut {
	updated := a.updated.UTC().Format("2006-01-02T15:04:05.000Z")
	return alarmOut{
		AlarmName: a.AlarmName, AlarmArn: s.prefix + a.AlarmName, AlarmDescription: a.AlarmDescription,
		AlarmConfigurationUpdatedTimestamp: updated, StateUpdatedTimestamp: updated,
		StateValue: "INSUFFICIENT_DATA", StateReason: "Simulated: the local AWS server evaluates no alarm",
		ActionsEnabled: a.ActionsEnabled == nil || *a.ActionsEnabled,
		OKActions:      query.List(a.OKActions), AlarmActions: query.List(a.AlarmActions),
		InsufficientDataActions: query.List(a.InsufficientDataActions),
		MetricName:              a.MetricName, Namespace: a.Namespace, Statistic: a.Statistic, ExtendedStatistic: a.ExtendedStatistic,
		Dimensions: query.List(a.Dimensions), Period: a.Period, EvaluationPeriods: a.EvaluationPeriods, DatapointsToAlarm: a.DatapointsToAlarm,
		Unit: a.Unit, Threshold: a.Threshold, ComparisonOperator: a.ComparisonOperator, TreatMissingData: a.TreatMissingData,
		EvaluateLowSampleCountPercentile: a.EvaluateLowSampleCountPercentile,
	}
}

// describeAlarms returns all alarms in one page: an account has few.
func describeAlarms(s *Service, c *query.Call, in *describeIn) (protocol.Elements, error) {
	if err := s.guard.Allow(c, access.Check{Action: "cloudwatch:DescribeAlarms", Resource: s.prefix + "*"}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []alarmOut{}
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		named := len(in.AlarmNames) == 0 || slices.Contains(in.AlarmNames, name)
		inState := in.StateValue == "" || in.StateValue == "INSUFFICIENT_DATA"
		ofMetric := len(in.AlarmTypes) == 0 || slices.Contains(in.AlarmTypes, "MetricAlarm")
		if named && inState && ofMetric && strings.HasPrefix(name, in.AlarmNamePrefix) {
			found = append(found, s.answer(s.alarms[name]))
		}
	}
	return protocol.Elements{"MetricAlarms": query.List(found), "CompositeAlarms": query.List[string](nil)}, nil
}

type namesIn struct{ AlarmNames []string }

func deleteAlarms(s *Service, c *query.Call, in *namesIn) (protocol.Elements, error) {
	var checks []access.Check
	for _, name := range in.AlarmNames {
		checks = append(checks, access.Check{Action: "cloudwatch:DeleteAlarms", Resource: s.prefix + name})
	}
	if err := s.guard.Allow(c, checks...); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range in.AlarmNames {
		if s.alarms[name] == nil {
			return nil, query.Errorf("ResourceNotFound", http.StatusNotFound, "Alarm not found: %s", name)
		}
	}
	for _, name := range in.AlarmNames {
		delete(s.alarms, name)
	}
	return nil, nil
}

type resourceIn struct {
	ResourceARN string
	Tags        []tag
	TagKeys     []string
}

// find finds an alarm by its ARN, if the caller may do its action to it. The lock
// is held afterwards.
func (s *Service) find(c *query.Call, arn string) (*alarm, error) {
	err := s.guard.Allow(c, access.Check{Action: "cloudwatch:" + c.Action, Resource: arn})
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	name, ours := strings.CutPrefix(arn, s.prefix)
	a := s.alarms[name]
	if !ours || a == nil {
		return nil, query.Errorf("ResourceNotFoundException", http.StatusNotFound, "Unknown resource: %s", arn)
	}
	return a, nil
}

func listTags(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	a, err := s.find(c, in.ResourceARN)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"Tags": query.List(query.Tags(a.tags))}, nil
}

func tagResource(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	a, err := s.find(c, in.ResourceARN)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return protocol.Elements{}, a.tag(in.Tags)
}

func untagResource(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	a, err := s.find(c, in.ResourceARN)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(a.tags, key)
	}
	return protocol.Elements{}, nil
}
