package control

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/metrics"
)

// With a web configuration the port speaks TLS and nothing else, one request to
// a connection as without, and asks for the password.
func TestThePortWithAWebConfiguration(t *testing.T) {
	dir := t.TempDir()
	own := httptest.NewUnstartedServer(nil) // for its certificate
	own.StartTLS()
	own.Close()
	pair := own.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	put("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	const hashOfTest = "$2a$04$DPSnajmatb7pztm7c/ISp..lHF/dyqCFQueiGGYA1PiEmi3aRHare"
	web := put("web.yml", []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prometheus: "+hashOfTest+"}\n"))

	last := func() *decision.Record { return nil }
	s, err := (&Config{
		Listen: "127.0.0.1:0", WebConfig: web, Registry: metrics.NewRegistry(metrics.Build{Version: "v1"}), Last: last,
		Recent: NewRecent(noContainers), Unhealthy: time.Minute, Log: slog.New(slog.DiscardHandler),
	}).ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if code, _ := get(t, "http://"+s.Addr().String()+"/metrics"); code != http.StatusBadRequest {
		t.Errorf("without TLS: %d", code)
	}
	client := own.Client()
	client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
	ask := func(password string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("prometheus", password)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	if resp := ask("wrong"); resp.StatusCode != http.StatusUnauthorized { //nolint:bodyclose // ask has closed it
		t.Errorf("with a wrong password: %d", resp.StatusCode)
	}
	resp := ask("test") //nolint:bodyclose // ask has closed it
	if resp.StatusCode != http.StatusOK || resp.TLS == nil || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("with the password: %d over %+v", resp.StatusCode, resp.TLS)
	}
	if resp.ProtoMajor != 1 || !resp.Close {
		t.Errorf("HTTP/%d, closed after it: %v", resp.ProtoMajor, resp.Close)
	}
}
