package main

import (
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"image": main, "inspect": inspect})
}

// TestScripts runs the command as a process. Each script begins in a copy of
// testdata/module, with an empty registry at $REGISTRY. The registry at $PRIVATE
// needs the password that is in the Docker configuration in $WORK/docker.
// $WORK/key.pem is a private key. The commands of the scripts:
//
//	exits 2 image …    fails unless the program ends with that exit code
//	exec inspect …     prints what is in images, see inspect
func TestScripts(t *testing.T) {
	build := goEnvironment(t)
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(env *testscript.Env) error { return setup(env, build) },
		Cmds:  clitest.Commands,
	})
}

func setup(env *testscript.Env, build []string) error {
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open, private := serve(env, images), serve(env, withPassword(images))
	env.Vars = append(env.Vars, build...)
	env.Setenv("REGISTRY", open)
	env.Setenv("PRIVATE", private)
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		env.Setenv("GIT_"+who+"_NAME", "test")
		env.Setenv("GIT_"+who+"_EMAIL", "test@example.com")
	}
	docker := filepath.Join(env.WorkDir, "docker")
	if err := os.Mkdir(docker, 0o755); err != nil {
		return err
	}
	auth := base64.StdEncoding.EncodeToString([]byte("me:secret"))
	config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, private, auth)
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(config), 0o600); err != nil {
		return err
	}
	key, _, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "key.pem"), key, 0o600); err != nil {
		return err
	}
	env.Cd = filepath.Join(env.WorkDir, "module")
	return os.CopyFS(env.Cd, os.DirFS("testdata/module"))
}

// serve serves a handler and returns its address.
func serve(env *testscript.Env, handler http.Handler) string {
	server := httptest.NewServer(handler)
	env.Defer(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func withPassword(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// goEnvironment lets the go command of a script use this machine's caches: a
// script has no home folder.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var vars []string
	for i, value := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		vars = append(vars, names[i]+"="+value)
	}
	return vars
}
