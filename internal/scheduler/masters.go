package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// ErrMaster is the class of what is wrong with how masters are named.
var ErrMaster = errors.New("wrong master")

// Masters says where the leading master is looked for.
type Masters struct {
	text   string
	scheme string // zk, or that of the masters
	// hosts are HOST:PORT, of masters or of ZooKeeper's servers.
	hosts []string
	// path is where the masters are listed in ZooKeeper, auth USER:PASSWORD there.
	path, auth string
}

// ParseMasters reads HOST:PORT[,HOST:PORT...], maybe behind http:// or https://,
// or zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...]/PATH.
func ParseMasters(text string) (Masters, error) {
	m := Masters{text: text, scheme: "http"}
	wrong := func(why string) (Masters, error) {
		return Masters{}, fmt.Errorf("%w %q: %s (HOST:PORT[,HOST:PORT...] or zk://HOST:PORT[,HOST:PORT...]/PATH)", ErrMaster, text, why)
	}
	hosts := text
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		m.scheme, hosts = scheme, strings.TrimSuffix(rest, "/")
	}
	switch m.scheme {
	case "http", "https":
	case "zk":
		hosts, m.path, _ = strings.Cut(hosts, "/")
		if m.path == "" {
			return wrong("it names no path in ZooKeeper, such as /mesos")
		}
		if at := strings.LastIndex(hosts, "@"); at >= 0 {
			m.auth, hosts = hosts[:at], hosts[at+1:]
		}
		m.path = "/" + m.path
		m.text = "zk://" + hosts + m.path // no password in messages
	default:
		return wrong("there is no " + m.scheme + "://")
	}
	m.hosts = strings.Split(hosts, ",")
	for _, host := range m.hosts {
		name, port, err := net.SplitHostPort(host)
		if n, _ := strconv.Atoi(port); err != nil || name == "" || n < 1 || n > 65535 || strings.ContainsAny(name, "/@? ") {
			return wrong(fmt.Sprintf("%q is not HOST:PORT", host))
		}
	}
	return m, nil
}

// String is the text as it was given, without a password.
func (m Masters) String() string { return m.text }

// candidates are URLs of masters, any of which may know the leading one.
func (m Masters) candidates(ctx context.Context) (urls []string, err error) {
	if m.scheme != "zk" {
		for _, host := range m.hosts {
			urls = append(urls, m.scheme+"://"+host)
		}
		return urls, nil
	}
	found := make(chan struct{})
	var leader string
	var wrong error
	go func() { // looking up names does not end with ctx
		leader, wrong = m.leader(ctx)
		close(found)
	}()
	select {
	case <-found:
		return []string{leader}, wrong
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no ZooKeeper server answers", m)
	}
}

// silent keeps the ZooKeeper client from writing to the terminal.
type silent struct{}

// Printf implements zk.Logger.
func (silent) Printf(string, ...any) {}

// leader asks ZooKeeper for the leading master: of the nodes json.info_N that
// the masters keep there, the one with the least N.
func (m Masters) leader(ctx context.Context) (string, error) {
	conn, events, err := zk.Connect(m.hosts, 10*time.Second, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		return "", fmt.Errorf("%s: %w", m, err)
	}
	defer conn.Close()
	for conn.State() != zk.StateHasSession {
		select {
		case <-events:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	// The requests below wait for ever by themselves; closing ends them.
	defer context.AfterFunc(ctx, conn.Close)()
	var info struct {
		Address struct {
			Hostname, IP string
			Port         int
		}
	}
	var nodes []string
	var text []byte
	if m.auth != "" {
		err = conn.AddAuth("digest", []byte(m.auth))
	}
	if err == nil {
		nodes, _, err = conn.Children(m.path)
		nodes = slices.DeleteFunc(nodes, func(n string) bool { return !strings.HasPrefix(n, "json.info_") })
	}
	if err == nil && len(nodes) == 0 {
		err = errors.New("no master is registered there")
	}
	if err == nil {
		text, _, err = conn.Get(path.Join(m.path, slices.Min(nodes)))
	}
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	host := cmp.Or(info.Address.IP, info.Address.Hostname)
	if err == nil && (host == "" || info.Address.Port == 0) {
		err = fmt.Errorf("the leading master has no address: %s", text)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", m, err)
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(info.Address.Port)), nil
}
