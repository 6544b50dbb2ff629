package command

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What root writes to another user's folder belongs to that user, and existing files keep
// their owner.
func TestRootWritesForTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const user, other = 1000, 1001
	checkout := t.TempDir()
	if err := os.Chown(checkout, user, user); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(checkout, "reports", "today")
	for range 2 {
		if err := makeFolder(report); err != nil {
			t.Fatal(err)
		}
	}
	write(t, report, "report.json", "{}")
	write(t, report, "notes", "another's")
	if err := os.Chown(filepath.Join(report, "notes"), other, other); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	write(t, outside, "root", "root's")
	if err := os.Symlink(filepath.Join(outside, "root"), filepath.Join(report, "link")); err != nil {
		t.Fatal(err)
	}
	if err := handOver(report); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{
		filepath.Dir(report): user, report: user, filepath.Join(report, "report.json"): user,
		filepath.Join(report, "notes"): other, filepath.Join(outside, "root"): 0,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t); got.Uid != want || got.Gid != want {
			t.Errorf("%s is of %d:%d, want %d", path, got.Uid, got.Gid, want)
		}
	}
}

// If the path is not a folder, there is an error before a cluster is started.
func TestMakeFolderOverAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "report", "a file")
	for _, name := range []string{"report", "report/below"} {
		if err := makeFolder(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}
