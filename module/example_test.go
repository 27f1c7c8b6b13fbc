package module_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const exampleFile = "../configs/mesos-modules.json"

// The example says what the agent's message mesos.Modules can hold, for the
// agent ignores keys that it does not know.
func TestExampleModulesFile(t *testing.T) {
	content, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var modules struct {
		Libraries []struct {
			File    string `json:"file"`
			Modules []struct {
				Name       string `json:"name"`
				Parameters []struct {
					Key   string `json:"key"`
					Value string `json:"value"`
				} `json:"parameters"`
			} `json:"modules"`
		} `json:"libraries"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&modules); err != nil {
		t.Fatal(err)
	}
	if len(modules.Libraries) != 1 || !regexp.MustCompile(`^/.*/libestimatord-\d+\.\d+\.\d+\.so$`).MatchString(modules.Libraries[0].File) {
		t.Fatalf("libraries: %+v", modules.Libraries)
	}
	source, err := os.ReadFile(filepath.Join("glue", "module.cpp"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, module := range modules.Libraries[0].Modules {
		names = append(names, module.Name)
		if !strings.Contains(string(source), "    "+module.Name+"(") {
			t.Errorf("the library has no %s", module.Name)
		}
	}
	if want := []string{"org_estimatord_ResourceEstimator", "org_estimatord_QoSController"}; !slices.Equal(names, want) {
		t.Errorf("modules %q, want %q", names, want)
	}
}

// The built module takes the example as it stands, but for the library's path.
func TestGlueTakesTheExample(t *testing.T) {
	program, library := requireGlue(t)
	content, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	here := regexp.MustCompile(`/[^"]*/libestimatord-[^"]*\.so`).ReplaceAllString(string(content), library)
	file := filepath.Join(t.TempDir(), "modules.json")
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPipe(t, program)
	p.send("load %s", file)
	p.expect("ok")
	for _, what := range []string{"estimator", "controller"} {
		p.send("create %s", what)
		p.expect("ok")
	}
}
