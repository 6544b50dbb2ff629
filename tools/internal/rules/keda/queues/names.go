package queues

import (
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Names is rule KEDA007.
var Names = rule.Rule{
	ID: "KEDA007", Severity: findings.Error, Title: "queue that the cluster does not declare",
	Why: "If the name in queueURL is misspelt, or the account number is another one, AWS answers with an error that KEDA only " +
		"logs, and the number of pods no longer changes. An account number from documentation is never yours.",
	Example: "queueURL: https://sqs.eu-west-1.amazonaws.com/111122223333/reliabel-q",
	Fix:     "Name a queue that the cluster declares, and the account that owns it.",
	Check:   checkQueueNames,
}

// placeholders are account numbers in AWS's documentation.
var placeholders = []string{"000000000000", "111111111111", "111122223333", "123456789012", "444455556666", "999999999999"}

func checkQueueNames(r *rule.Pass) {
	queues := r.Cluster.Queues()
	for _, t := range r.Cluster.SQSTriggers() {
		place := t.At(t.URLKey())
		switch {
		case t.Text("queueURL") == "" && t.Text("queueURLFromEnv") == "":
			r.Report(place, "the trigger of %s names no queue", t.Object.Key()).
				Fix("set queueURL or queueURLFromEnv")
		case !t.HasURL && strings.Contains(t.URLText, "/"):
			// The variable's value may come from a Secret, so the message does not
			// contain it.
			r.Report(place, "KEDA finds no queue name in %q: its path must be /account/name", t.Text(t.URLKey())).
				Fix("write https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
		case t.HasURL:
			if t.URL.IsAWS() && slices.Contains(placeholders, t.URL.Account) {
				r.Warn(place, "account %s is a placeholder", t.URL.Account).
					Fix("write your account's number into the cluster's facts")
			}
			checkQueueDeclared(r, t, queues)
		}
	}
}

func checkQueueDeclared(r *rule.Pass, t model.SQSTrigger, queues []model.Queue) {
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	if len(queues) == 0 || slices.Contains(names, "") || !r.Cluster.Complete(model.ManagedResources.For(t.Object)) {
		return
	}
	place := t.At(t.URLKey())
	q, found := t.Queue(queues)
	if !found {
		r.Report(place, "the cluster declares no queue %s", t.URL.Name).
			Fix(rule.DidYouMean(t.URL.Name, names, "declare the queue"))
	} else if q.Account != "" && q.Account != t.URL.Account {
		r.Report(place, "queue %s is declared in account %s, not in %s", q.Name, q.Account, t.URL.Account).
			Fix("use account " + q.Account)
	}
}
