package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/trestle-mcp/trestle/health"
)

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// limit is how long the server of the default configuration takes to stop, at
// most, with all that it may have to close.
func limit(t *testing.T) (total, wait time.Duration) {
	t.Helper()
	c := try(t)
	c.Redis = "127.0.0.1:1" // closed at the end like one that is there
	srv, err := assemble(t.Context(), c, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, srv) })
	// With authentication there is the policy beside.
	return srv.ShutdownLimit() + closeTimeout, c.Drain.Wait
}

func port(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

type probe struct {
	HTTPGet struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"`
	} `yaml:"httpGet"`
	PeriodSeconds    int `yaml:"periodSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

type deployment struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Template struct {
			Metadata struct {
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"metadata"`
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					Args  []string `yaml:"args"`
					Ports []struct {
						Name          string `yaml:"name"`
						ContainerPort int    `yaml:"containerPort"`
					} `yaml:"ports"`
					Startup   probe `yaml:"startupProbe"`
					Readiness probe `yaml:"readinessProbe"`
					Liveness  probe `yaml:"livenessProbe"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func TestKubernetes_MatchesTheServer(t *testing.T) {
	decoder := yaml.NewDecoder(strings.NewReader(readDeploy(t, "kubernetes.yaml")))
	var d deployment
	kinds := map[string]bool{}
	for {
		var each yaml.Node
		err := decoder.Decode(&each)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var head deployment
		if err := each.Decode(&head); err == nil && head.Kind == "Deployment" {
			d = head
		}
		var kind struct {
			Kind string `yaml:"kind"`
		}
		_ = each.Decode(&kind) // of other shapes, too
		kinds[kind.Kind] = true
	}
	for _, want := range []string{"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"} {
		if !kinds[want] {
			t.Errorf("no %s", want)
		}
	}
	pod := d.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	c, defaults := pod.Containers[0], try(t)
	ports := map[string]int{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if ports["mcp"] != port(t, defaultAddrs(t).Addr) || ports["admin"] != port(t, defaultAddrs(t).Admin) {
		t.Errorf("ports %v", ports)
	}
	for _, p := range []struct {
		probe
		path string
	}{{c.Startup, health.PathStartup}, {c.Readiness, health.PathReady}, {c.Liveness, health.PathLive}} {
		if p.HTTPGet.Path != p.path || p.HTTPGet.Port != "admin" {
			t.Errorf("%s is probed at %+v", p.path, p.HTTPGet)
		}
	}
	total, wait := limit(t)
	if grace := time.Duration(pod.Grace) * time.Second; grace < total+time.Second {
		t.Errorf("killed after %v, the drain may take %v", grace, total)
	}
	// The wait has to outlast the probes that fail before the pod gets no more calls.
	if noticed := time.Duration(c.Readiness.PeriodSeconds*c.Readiness.FailureThreshold) * time.Second; noticed >= wait {
		t.Errorf("noticed after %v, served on for %v", noticed, wait)
	}
	if d.Spec.Template.Metadata.Annotations["prometheus.io/port"] != "9090" || ports["admin"] != 9090 {
		t.Error("metrics are looked for elsewhere")
	}
	if !slices.Contains(c.Args, "-config") || defaults.Drain.Wait == 0 {
		t.Errorf("args %q", c.Args)
	}
}

func TestSystemd_WaitsForTheDrain(t *testing.T) {
	unit := readDeploy(t, "production.service")
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatal("no TimeoutStopSec")
	}
	stop, err := time.ParseDuration(m[1])
	if total, _ := limit(t); err != nil || stop < total+time.Second {
		t.Errorf("killed after %v, the drain may take %v", stop, total)
	}
	for _, want := range []string{"KillSignal=SIGTERM", "ExecStart=/usr/local/bin/production -config ", "WorkingDirectory=/var/lib/production"} {
		if !strings.Contains(unit, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestDockerfile_PassesSignalsOnAndNamesThePorts(t *testing.T) {
	text := readDeploy(t, "Dockerfile")
	for _, want := range []string{`ENTRYPOINT ["/usr/local/bin/production"]`, "STOPSIGNAL SIGTERM", "EXPOSE 8080 9090", "USER 65532:65532"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	mod, err := os.ReadFile("go.mod") // of a project made from this example
	if errors.Is(err, fs.ErrNotExist) {
		mod, err = os.ReadFile(filepath.Join("..", "go.mod"))
	}
	if err != nil || !bytes.Contains(mod, []byte("\ngo 1.26")) || !strings.Contains(text, "golang:1.26") {
		t.Errorf("another Go than the module's: %v", err)
	}
}
