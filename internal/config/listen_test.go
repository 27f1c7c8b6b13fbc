package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An address that other hosts reach is refused, but for TLS and for the operator
// who says so.
func TestWideAddressesAreRefused(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	write(t, filepath.Join(dir, "tls.yml"), "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	write(t, filepath.Join(dir, "users.yml"), "basic_auth_users: {prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n")
	write(t, filepath.Join(dir, "secret.yml"), "tls_server_config: secret-of-another-file\n")
	write(t, filepath.Join(dir, "lost.yml"), "tls_server_config: {cert_file: none.pem, key_file: key.pem}\n")
	const refused = "is read by other hosts without TLS"
	for name, tc := range map[string]struct{ text, want string }{
		"loopback":                 {"listen: 127.0.0.1:9742", ""},
		"another of it":            {"listen: 127.8.9.1:1", ""},
		"IPv6":                     {"listen: '[::1]:9742'", ""},
		"by name":                  {"listen: localhost:9742", ""},
		"off":                      {"listen: off", ""},
		"everybody":                {"listen: ':9742'", refused},
		"everybody, IPv4":          {"listen: 0.0.0.0:9742", refused},
		"everybody, IPv6":          {"listen: '[::]:9742'", refused},
		"mapped":                   {"listen: '[::ffff:10.0.0.1]:9742'", refused},
		"an address":               {"listen: 10.1.2.3:9742", refused},
		"a name that may be any":   {"listen: localhost.example.com:9742", refused},
		"as the operator wants it": {"{listen: ':9742', listen_insecure: true}", ""},
		"with TLS":                 {"{listen: ':9742', web_config: tls.yml}", ""},
		"with passwords only":      {"{listen: ':9742', web_config: users.yml}", refused},
		"passwords at home":        {"{web_config: users.yml}", ""},
		"no such file":             {"{web_config: none.yml}", "none.yml: no such file"},
		"no certificate":           {"{web_config: lost.yml}", "none.pem: no such file"},
		"another file":             {"{web_config: secret.yml}", "is no web configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "estimatord.yaml")
			write(t, file, tc.text+"\n")
			_, _, err := LoadFile(file, Read)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-of") {
				t.Errorf("the error repeats the file: %v", err)
			}
		})
	}
}

// certificate writes cert.pem and key.pem of this host.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, &from, &from, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}
