package crossplane

import (
	"maps"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Identities is rule XP008.
var Identities = rule.Rule{
	ID: "XP008", Severity: findings.Warning, Title: "identity of one namespace that every namespace may use",
	Why: "Every namespaced resource can name a ClusterProviderConfig: an object in the namespace of staging that names " +
		"production's acts in production's account. A ProviderConfig works only in its own namespace " +
		"(https://docs.crossplane.io/latest/packages/providers/#configure-a-provider). The rule judges clusters with managed " +
		"resources in several namespaces, of which only one uses the ClusterProviderConfig.",
	Example: "kind: ClusterProviderConfig\nmetadata:\n  name: production # everything that uses it is in namespace production",
	Fix:     "Make it a ProviderConfig in that namespace, and set kind: ProviderConfig where it is used.",
	Check:   checkIdentities,
}

func checkIdentities(r *rule.Pass) {
	configs := r.Cluster.Of(model.NamespacedAWS, "ClusterProviderConfig")
	if len(configs) == 0 {
		return
	}
	namespaces := map[string]bool{}
	users := map[*render.Object]map[string]bool{}
	for _, o := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		if !model.IsManaged(o) || model.ProviderGroup(o) != model.NamespacedAWS {
			continue
		}
		namespaces[o.GetNamespace()] = true
		config := r.Cluster.ProviderConfig(o)
		if users[config] == nil {
			users[config] = map[string]bool{}
		}
		users[config][o.GetNamespace()] = true
	}
	for _, config := range configs {
		by := slices.Collect(maps.Keys(users[config]))
		if len(by) == 1 && len(namespaces) > 1 && r.Cluster.Complete(model.ManagedResources.For(config)) {
			r.Report(model.At(config, "kind"),
				"only namespace %s uses %s, but every namespace may", by[0], config.Key()).
				Fix("make it a ProviderConfig of namespace " + by[0])
		}
	}
}
