package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// The changes of the cluster's programs on the machine are undone, unless they were there
// before, others use them now, or the machine has rebooted.
func TestRestoreMachine(t *testing.T) {
	const ours, foreign = profile + " (enforce)\n", "docker-default (enforce)\n"
	type files map[string]string
	for name, test := range map[string]struct {
		before, after files
		want          files
	}{
		"version 2, AppArmor": {
			files{profilesFile: foreign, controllerFile: "cpu memory pids\n"},
			files{profilesFile: foreign + ours, controllerFile: "cpuset cpu io memory pids\n", "proc/1/attr/current": "unconfined\n"},
			files{removeFile: profile, controllerFile: "cpuset cpu io memory pids\n-cpuset-io"},
		},
		"version 1, no AppArmor": {files{}, files{}, files{}},
		"another containerd has loaded the profile": {
			files{profilesFile: ours},
			files{profilesFile: ours},
			files{removeFile: ""},
		},
		"another containerd uses the profile": {
			files{profilesFile: ""},
			files{profilesFile: ours, "proc/7/attr/current": ours},
			files{removeFile: ""},
		},
		"another containerd uses the profile below another security module": {
			files{profilesFile: ""},
			files{profilesFile: ours, "proc/7/attr/apparmor/current": ours},
			files{removeFile: ""},
		},
		"a profile whose name ends so": {
			files{profilesFile: ""},
			files{profilesFile: "k3s-" + ours},
			files{removeFile: ""},
		},
		"nothing has changed": {
			files{profilesFile: foreign, controllerFile: "cpu memory\n"},
			files{},
			files{removeFile: "", controllerFile: "cpu memory\n"},
		},
		"the machine was started again": {
			files{bootFile: "one\n", profilesFile: "", controllerFile: ""},
			files{bootFile: "two\n", profilesFile: ours, controllerFile: "cpu\n"},
			files{removeFile: "", controllerFile: "cpu\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write := func(content files) {
				for name, text := range content {
					file := filepath.Join(root, name)
					if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			record := filepath.Join(root, "machine.json")
			write(test.before)
			if err := recordMachine(root, record); err != nil {
				t.Fatal(err)
			}
			write(test.after)
			if _, apparmor := test.want[removeFile]; apparmor {
				write(files{removeFile: ""})
			}
			if err := restoreMachine(root, record); err != nil {
				t.Fatal(err)
			}
			for name, want := range test.want {
				if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
					t.Errorf("%s holds %q, want %q; %v", name, got, want, err)
				}
			}
		})
	}
}

// On a machine on which no cluster was started nothing changes.
func TestRestoreWithoutRecord(t *testing.T) {
	if err := restoreMachine(t.TempDir(), filepath.Join(t.TempDir(), "machine.json")); err != nil {
		t.Error(err)
	}
}
