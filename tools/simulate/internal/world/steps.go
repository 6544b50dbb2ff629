package world

import (
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// The actors that change the number of pods.
const (
	actorHPA  = "HPA"
	actorKEDA = "KEDA"
)

// Step is a change of the number of pods, or a period in which the HPA kept it although
// the metric asked for another.
type Step struct {
	// Seconds is its time since the load began, and Until the end of a period.
	Seconds float64 `json:"seconds"`
	Until   float64 `json:"until,omitempty"`
	Actor   string  `json:"actor"`
	From    int32   `json:"from"`
	To      int32   `json:"to"`
	// Metric is KEDA's count.
	Metric int `json:"metric"`
	// Limit is the HPA's reason for fewer pods than the metric asked for, Message its
	// text.
	Limit   string `json:"limit,omitempty"`
	Message string `json:"message,omitempty"`
}

// held reports whether it is a period.
func (s Step) held() bool { return s.Until > 0 }

// steps records the decisions of the HPA and KEDA, in the HPA's own words.
type steps struct {
	mu     sync.Mutex
	began  time.Time
	metric int
	all    []Step
}

func (s *steps) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.all = time.Now(), nil
}

func (s *steps) onMetric(value int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metric = value
}

func (s *steps) now() float64 { return time.Since(s.began).Seconds() }

func (s *steps) onRescale(actor string, from, to int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began.IsZero() && from != to {
		s.all = append(s.all, Step{Seconds: s.now(), Actor: actor, From: from, To: to, Metric: s.metric})
	}
}

// onStatus records the HPA's status after a look.
func (s *steps) onStatus(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		return
	}
	limited := conditionOf(hpa, autoscalingv2.ScalingLimited)
	able := conditionOf(hpa, autoscalingv2.AbleToScale)
	n := len(s.all)
	switch {
	case n > 0 && s.all[n-1].Actor == actorHPA && !s.all[n-1].held() && s.all[n-1].Seconds == s.now():
		if limited.Status == corev1.ConditionTrue {
			s.all[n-1].Limit, s.all[n-1].Message = limited.Reason, limited.Message
		}
	case able.Reason == "ScaleDownStabilized" || able.Reason == "ScaleUpStabilized":
		s.hold(hpa.Status.CurrentReplicas, able.Reason, able.Message)
	case limited.Status == corev1.ConditionTrue && limited.Reason == "TooManyReplicas":
		s.hold(hpa.Status.CurrentReplicas, limited.Reason, limited.Message)
	}
}

// hold starts a period, or extends the last one.
func (s *steps) hold(pods int32, reason, message string) {
	if n := len(s.all); n > 0 && s.all[n-1].held() && s.all[n-1].Limit == reason && s.all[n-1].To == pods {
		s.all[n-1].Until = s.now()
		return
	}
	s.all = append(s.all, Step{
		Seconds: s.now(), Until: s.now(), Actor: actorHPA, From: pods, To: pods, Metric: s.metric, Limit: reason, Message: message,
	})
}

func conditionOf(hpa *autoscalingv2.HorizontalPodAutoscaler,
	kind autoscalingv2.HorizontalPodAutoscalerConditionType,
) autoscalingv2.HorizontalPodAutoscalerCondition {
	for _, c := range hpa.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return autoscalingv2.HorizontalPodAutoscalerCondition{}
}
