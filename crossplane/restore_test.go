package crossplane_test

import (
	"path/filepath"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
)

// A new hub, from the same Git, finds the resources that a lost one created on AWS: the
// external names from the XR's status are in its spec.
func TestRestore(t *testing.T) {
	for _, plural := range []string{"networks", "eksclusters"} {
		t.Run(plural, func(t *testing.T) {
			xr := readExample(t, plural, filepath.Join("examples", plural, "minimal.yaml"))
			w := world{others: othersOf(xr), composed: compose(t, xr).composed}
			onAWS := map[string]string{}
			for id, object := range w.composed {
				if object.GetKind() == "Usage" {
					continue
				}
				if meta.GetExternalName(object) == "" {
					meta.SetExternalName(object, "assigned-"+id)
				}
				onAWS[id] = meta.GetExternalName(object)
				object.Object["status"] = map[string]any{
					"conditions": []any{condition("Synced", true, ""), condition("Ready", true, "")}, "atProvider": usable(t, object),
				}
			}
			names := run(t, xr, w).status["externalNames"]

			restored := readExample(t, plural, filepath.Join("examples", plural, "minimal.yaml"))
			restored.Object["spec"].(map[string]any)["externalNames"] = names
			if refused := allAPIs(t)[plural].admit(restored, nil); len(refused) > 0 {
				t.Fatal(refused)
			}
			for id, object := range compose(t, restored).composed {
				if object.GetKind() != "Usage" && meta.GetExternalName(object) != onAWS[id] {
					t.Errorf("%s is composed as %q, on AWS it is %q", id, meta.GetExternalName(object), onAWS[id])
				}
			}
		})
	}
}
