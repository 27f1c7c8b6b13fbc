package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
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
	text string
	// hosts are HOST:PORT, of masters or of ZooKeeper's servers.
	hosts []string
	// path is where the masters are listed in ZooKeeper; "" without ZooKeeper.
	path string
	// auth is user:password for ZooKeeper, "" for none.
	auth string
	// scheme is that of the masters.
	scheme string
}

// ParseMasters reads HOST:PORT[,HOST:PORT...], maybe behind http:// or https://,
// or zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...]/PATH.
func ParseMasters(text string) (Masters, error) {
	m := Masters{text: text, scheme: "http"}
	rest, wrong := text, func(why string) (Masters, error) {
		return Masters{}, fmt.Errorf("%w %q: %s (HOST:PORT[,HOST:PORT...] or zk://HOST:PORT[,HOST:PORT...]/PATH)", ErrMaster, text, why)
	}
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		switch scheme {
		case "http", "https":
			m.scheme, rest = scheme, strings.TrimSuffix(after, "/")
		case "zk":
			hosts, below, _ := strings.Cut(after, "/")
			if m.path = strings.Trim(below, "/"); m.path == "" {
				return wrong("it names no path in ZooKeeper, such as /mesos")
			}
			m.path = "/" + m.path
			if at := strings.LastIndex(hosts, "@"); at >= 0 {
				m.auth, hosts = hosts[:at], hosts[at+1:]
				m.text = "zk://" + hosts + m.path // no password in messages
			}
			rest = hosts
		default:
			return wrong("there is no " + scheme + "://")
		}
	}
	for _, host := range strings.Split(rest, ",") {
		name, port, err := net.SplitHostPort(host)
		if n, _ := strconv.Atoi(port); err != nil || name == "" || n < 1 || n > 65535 || strings.ContainsAny(name, "/@? ") {
			return wrong(fmt.Sprintf("%q is not HOST:PORT", host))
		}
		m.hosts = append(m.hosts, host)
	}
	return m, nil
}

// String is the text as it was given, without a password.
func (m Masters) String() string { return m.text }

// candidates are the addresses of masters, any of which may know the leading
// one.
func (m Masters) candidates(ctx context.Context) ([]string, error) {
	if m.path == "" {
		var all []string
		for _, host := range m.hosts {
			all = append(all, m.scheme+"://"+host)
		}
		return all, nil
	}
	type answer struct {
		leader string
		err    error
	}
	found := make(chan answer, 1)
	go func() { // looking up names does not end with ctx
		leader, err := m.leader(ctx)
		found <- answer{leader, err}
	}()
	select {
	case a := <-found:
		if a.err != nil {
			return nil, a.err
		}
		return []string{a.leader}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no ZooKeeper server answers: %w", m, ctx.Err())
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
			return "", fmt.Errorf("%s: no ZooKeeper server answers: %w", m, ctx.Err())
		}
	}
	// The requests below wait for ever by themselves; closing ends them.
	defer context.AfterFunc(ctx, conn.Close)()
	if m.auth != "" {
		if err := conn.AddAuth("digest", []byte(m.auth)); err != nil {
			return "", fmt.Errorf("%s: authenticate: %w", m, err)
		}
	}
	nodes, _, err := conn.Children(m.path)
	if err != nil {
		return "", fmt.Errorf("%s: list the masters: %w", m, err)
	}
	const prefix = "json.info_"
	nodes = slices.DeleteFunc(nodes, func(n string) bool { return !strings.HasPrefix(n, prefix) })
	if len(nodes) == 0 {
		return "", fmt.Errorf("%s: no master is registered there", m)
	}
	text, _, err := conn.Get(path.Join(m.path, slices.Min(nodes)))
	if err != nil {
		return "", fmt.Errorf("%s: read the leading master: %w", m, err)
	}
	var info struct {
		Address struct {
			Hostname, IP string
			Port         int
		}
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return "", fmt.Errorf("%s: the leading master in ZooKeeper: %w", m, err)
	}
	host := info.Address.Hostname
	if host == "" {
		host = info.Address.IP
	}
	if host == "" || info.Address.Port == 0 {
		return "", fmt.Errorf("%s: the leading master has no address in ZooKeeper", m)
	}
	return (&url.URL{Scheme: m.scheme, Host: net.JoinHostPort(host, strconv.Itoa(info.Address.Port))}).String(), nil
}
