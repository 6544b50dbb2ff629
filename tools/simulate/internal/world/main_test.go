package world

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// TestMain turns the controllers' logs off, as package bubble does.
func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	logf.SetLogger(logr.Discard())
	os.Exit(m.Run())
}
