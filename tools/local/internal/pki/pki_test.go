package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

func written(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// Every name and address to which something in the cluster connects, and each leaf's
// identity for Kubernetes' authorizers.
func TestLeaves(t *testing.T) {
	dir := written(t)
	ca := certificate(t, filepath.Join(dir, "ca.crt"))
	for file, want := range map[string]struct {
		name, organization string
		reachedAs          []string
	}{
		"apiserver": {"kube-apiserver", "", []string{
			layout.NodeAddress, layout.APIService, "127.0.0.1", "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}},
		"apiserver-kubelet-client": {"kube-apiserver-kubelet-client", "system:masters", nil},
		"front-proxy-client":       {"front-proxy-client", "", nil},
		"kubelet":                  {"system:node:local", "system:nodes", []string{layout.NodeAddress, "local"}},
		"kube-controller-manager":  {"system:kube-controller-manager", "", nil},
		"kube-scheduler":           {"system:kube-scheduler", "", nil},
		"kube-proxy":               {"system:kube-proxy", "", nil},
		"admin":                    {"kubernetes-admin", "system:masters", nil},
	} {
		leaf := certificate(t, filepath.Join(dir, file+".crt"))
		var organizations []string
		if want.organization != "" {
			organizations = []string{want.organization}
		}
		if leaf.Subject.CommonName != want.name || !slices.Equal(leaf.Subject.Organization, organizations) {
			t.Errorf("%s is %s, want %s of %q", file, leaf.Subject, want.name, want.organization)
		}
		for _, name := range append(want.reachedAs, "") { // "" omits the names
			if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool(ca)}); err != nil {
				t.Errorf("%s as server %q: %v", file, name, err)
			}
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(ca), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s as client: %v", file, err)
		}
		if leaf.IsCA || leaf.VerifyHostname("example.com") == nil {
			t.Errorf("%s may do too much", file)
		}
		if _, err := tls.LoadX509KeyPair(filepath.Join(dir, file+".crt"), filepath.Join(dir, file+".key")); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Each kubeconfig works with a server that has the API server's certificate and asks for
// a client certificate of the same authority, and has the right identity.
func TestKubeconfigs(t *testing.T) {
	dir := written(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(certificate(t, filepath.Join(dir, "ca.crt"))),
	}
	server.StartTLS()
	defer server.Close()
	for file, want := range map[string]string{
		"admin": "kubernetes-admin", "kubelet": "system:node:local", "kube-proxy": "system:kube-proxy",
		"kube-scheduler": "system:kube-scheduler", "kube-controller-manager": "system:kube-controller-manager",
	} {
		config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, file+".kubeconfig"))
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != "https://"+layout.APIServer {
			t.Errorf("%s.kubeconfig leads to %s", file, config.Host)
		}
		config.Host = server.URL
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Get(server.URL)
		if err != nil {
			t.Errorf("%s.kubeconfig: %v", file, err)
			continue
		}
		name, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(name) != want {
			t.Errorf("%s.kubeconfig speaks as %q, %v", file, name, err)
		}
	}
}

// A client of an earlier cluster is rejected, and only the owner can read the keys.
func TestEachClusterHasItsOwn(t *testing.T) {
	before, now := written(t), written(t)
	old := certificate(t, filepath.Join(before, "admin.crt"))
	var unknown x509.UnknownAuthorityError
	_, err := old.Verify(x509.VerifyOptions{Roots: pool(certificate(t, filepath.Join(now, "ca.crt"))), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if !errors.As(err, &unknown) {
		t.Errorf("the administrator of the cluster before: %v", err)
	}
	entries, err := os.ReadDir(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.HasSuffix(entry.Name(), ".key") || strings.HasSuffix(entry.Name(), ".kubeconfig")
		if secret && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %s", entry.Name(), info.Mode())
		}
	}
}
