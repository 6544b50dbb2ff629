// Package pki creates the certificates, keys and kubeconfigs of the local cluster: one
// certificate authority and one leaf certificate for each identity. All are new at each
// start and valid for a week. It must not know processes.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

const validity = 7 * 24 * time.Hour

// identity is one leaf certificate: its subject in Kubernetes and, for servers, its host
// names.
type identity struct {
	file         string
	name         string
	organization string
	dns          []string
	addresses    []string
	kubeconfig   bool
}

// identities are named as Kubernetes' authorizers and bootstrap roles expect:
// https://kubernetes.io/docs/setup/best-practices/certificates/
var identities = []identity{
	{
		file: "apiserver", name: "kube-apiserver", addresses: []string{layout.NodeAddress, layout.APIService, "127.0.0.1"},
		dns: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
	},
	{file: "apiserver-kubelet-client", name: "kube-apiserver-kubelet-client", organization: "system:masters"},
	{file: "front-proxy-client", name: "front-proxy-client"},
	{
		file:         "kubelet",
		name:         "system:node:" + layout.NodeName,
		organization: "system:nodes",
		addresses:    []string{layout.NodeAddress},
		dns:          []string{layout.NodeName},
		kubeconfig:   true,
	},
	{file: "kube-controller-manager", name: "system:kube-controller-manager", kubeconfig: true},
	{file: "kube-scheduler", name: "system:kube-scheduler", kubeconfig: true},
	{file: "kube-proxy", name: "system:kube-proxy", kubeconfig: true},
	{file: "admin", name: "kubernetes-admin", organization: "system:masters", kubeconfig: true},
}

// Write writes below dir: ca.{crt,key}, sa.{pub,key} for ServiceAccount tokens, and for
// each identity .crt, .key and .kubeconfig.
func Write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the certificate folder: %w", err)
	}
	authority, err := newAuthority(dir)
	if err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	for _, id := range identities {
		if err := authority.issue(dir, id); err != nil {
			return fmt.Errorf("issue the certificate of %s: %w", id.name, err)
		}
	}
	return writeServiceAccountKey(dir)
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	serial      int64
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "sales-events-local"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{certificate: certificate, key: key, pem: encode("CERTIFICATE", der), serial: 1}
	if _, err := writePair(dir, "ca", a.pem, key); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *authority) issue(dir string, id identity) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial),
		Subject:      pkix.Name{CommonName: id.name},
		NotBefore:    a.certificate.NotBefore,
		NotAfter:     a.certificate.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:     id.dns,
	}
	if id.organization != "" {
		template.Subject.Organization = []string{id.organization}
	}
	for _, address := range id.addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	certificate := encode("CERTIFICATE", der)
	keyPEM, err := writePair(dir, id.file, certificate, key)
	if err != nil || !id.kubeconfig {
		return err
	}
	return a.writeKubeconfig(filepath.Join(dir, id.file+".kubeconfig"), id, certificate, keyPEM)
}

func (a *authority) writeKubeconfig(path string, id identity, certificate, key []byte) error {
	const name = "sales-events-local"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + layout.APIServer, CertificateAuthorityData: a.pem}
	config.AuthInfos[id.file] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: id.file}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}

func writeServiceAccountKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sa.pub"), encode("PUBLIC KEY", public), 0o644); err != nil {
		return err
	}
	_, err = writeKey(dir, "sa", key)
	return err
}

func writePair(dir, name string, certificate []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), certificate, 0o644); err != nil {
		return nil, err
	}
	return writeKey(dir, name, key)
}

func writeKey(dir, name string, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	data := encode("EC PRIVATE KEY", der)
	return data, os.WriteFile(filepath.Join(dir, name+".key"), data, 0o600)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
