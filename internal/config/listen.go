package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"
)

// listen refuses an address that other hosts reach without TLS, and a web
// configuration that cannot be used.
func (l *loader) listen(read ReadFile) {
	c := &l.config
	encrypted := false
	if c.WebConfig != "" && c.Listen != Off {
		var err error
		if encrypted, err = webConfig(c.WebConfig, read); err != nil {
			l.fault("web_config", err.Error())
			return
		}
	}
	if !c.ListenInsecure && !encrypted && !IsLocal(c.Listen) {
		l.fault("listen", quote(c.Listen)+" is read by other hosts without TLS: use 127.0.0.1, or web_config with a certificate, or listen_insecure: true")
	}
}

// IsLocal reports whether only this host reaches the address.
func IsLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if address == Off || host == "localhost" {
		return true
	}
	ip, notIP := netip.ParseAddr(host)
	return err == nil && notIP == nil && ip.Unmap().IsLoopback()
}

// webConfig judges a web configuration file with the certificates that it names.
func webConfig(path string, read ReadFile) (encrypted bool, err error) {
	data, err := read(path)
	if err != nil {
		return false, err
	}
	if len(data) > maxFile {
		return false, fmt.Errorf("%s is more than %d bytes long", path, maxFile)
	}
	if err := web.Validate(path); err != nil {
		if strings.HasPrefix(err.Error(), "yaml: unmarshal") { // it repeats what may be a secret
			err = errors.New("is no web configuration: see github.com/prometheus/exporter-toolkit")
		}
		return false, fmt.Errorf("%s: %w", path, err)
	}
	var says struct {
		TLS map[string]any `yaml:"tls_server_config"`
	}
	err = yaml.Unmarshal(data, &says)
	return len(says.TLS) > 0, err
}
