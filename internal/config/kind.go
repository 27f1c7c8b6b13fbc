package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Kind is what a file is for.
type Kind string

// The kinds of files.
const (
	KindPolicy Kind = "policy"
	KindDaemon Kind = "daemon"
)

// KindOf tells a policy from the daemon's settings by its keys, of which they
// have none in common; false when there is none that is known.
func KindOf(data []byte) (Kind, bool) {
	_, root := open("", data)
	if root == nil || root.Kind != yaml.MappingNode {
		return "", false
	}
	settings := (&loader{settings: Settings()}).fields("")
	p := &policyText{document: &document{}}
	policy, daemon := fieldsOf(p.keys()), 0
	rules := 0
	for i := 0; i < len(root.Content); i += 2 {
		switch key := root.Content[i].Value; {
		case find(policy, key) != nil:
			rules++
		case find(settings, key) != nil:
			daemon++
		}
	}
	switch {
	case rules > daemon:
		return KindPolicy, true
	case daemon > 0:
		return KindDaemon, true
	}
	return "", false
}

// ParseKind is the kind called s.
func ParseKind(s string) (Kind, error) {
	all := []string{string(KindPolicy), string(KindDaemon)}
	if slices.Contains(all, s) {
		return Kind(s), nil
	}
	return "", fmt.Errorf("%q is not policy or daemon", s)
}

// LoadFile makes the configuration of one file alone, without flags and
// environment.
func LoadFile(name string, read ReadFile) (Config, error) {
	c, _, err := Load(nil, []string{envOf("config") + "=" + name}, read)
	return c, err
}
