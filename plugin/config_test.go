package plugin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin"
)

type pool struct {
	Max  int           `json:"max" validate:"gte=1,lte=100"`
	Idle time.Duration `json:"idle"`
}

type shared struct {
	Region string `json:"region"`
}

type dbConfig struct {
	shared

	DSN     string            `json:"dsn" validate:"required"`
	Pool    pool              `json:"pool"`
	Hosts   []string          `json:"hosts" validate:"dive,hostname"`
	Labels  map[string]string `json:"labels"`
	Ratio   float64           `json:"ratio"`
	Debug   *bool             `json:"debug"`
	Started time.Time         `json:"started"`
	Backup  *pool             `json:"backup"`
	Hidden  string            `json:"-"`
	Token   string            `json:"token" validate:"required"`
}

func defaults() *dbConfig {
	return &dbConfig{Token: "t", Pool: pool{Max: 10, Idle: time.Minute}, Ratio: 0.5, Hidden: "h"}
}

// configure registers a plugin with a configuration.
func configure(t *testing.T, s plugin.Setup) (*dbConfig, error) {
	t.Helper()
	m, _ := newManager(t, plugin.Options{})
	config := defaults()
	s.Plugin = &configured{part{name: "db", version: "1.0.0"}, config}
	return config, m.Register(t.Context(), s)
}

func TestConfig_FillsInTypesFromYAMLAndJSON(t *testing.T) {
	yes := true
	want := &dbConfig{
		shared: shared{Region: "eu"}, DSN: "postgres://db", Pool: pool{Max: 20, Idle: 90 * time.Second}, Hosts: []string{"a", "b.example"},
		Labels: map[string]string{"team": "core"}, Ratio: 2, Debug: &yes, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Backup: &pool{Max: 5}, Hidden: "h", Token: "t",
	}
	file := filepath.Join(t.TempDir(), "db.yaml")
	yaml := `
region: eu
dsn: postgres://db
pool: {max: 20, idle: 1m30s}
hosts: [a, b.example]
labels: {team: core}
ratio: 2
debug: true
started: 2026-01-02T03:04:05Z
backup: {max: 5}
`
	must(t, os.WriteFile(file, []byte(yaml), 0o600))
	for name, s := range map[string]plugin.Setup{
		"YAML": {Config: []byte(yaml)},
		"file": {ConfigFile: file},
		"JSON": {Config: []byte(`{"region": "eu", "dsn": "postgres://db", "pool": {"max": 20, "idle": "1m30s"}, "hosts": ["a", "b.example"],
			"labels": {"team": "core"}, "ratio": 2, "debug": true, "started": "2026-01-02T03:04:05Z", "backup": {"max": 5}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := configure(t, s)
			must(t, err)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(dbConfig{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfig_LetsTheEnvironmentOverrideSingleValues(t *testing.T) {
	for name, value := range map[string]string{
		"DB_DSN": "from: env", "DB_POOL_MAX": "30", "DB_POOL_IDLE": "5s", "DB_HOSTS": "[x, y]", "DB_DEBUG": "false", "DB_LABELS": "{a: b}",
		"DB_STARTED": "2026-01-02T03:04:05Z", "DB_HIDDEN": "no", "DSN": "no",
	} {
		t.Setenv(name, value)
	}
	no := false
	want := defaults()
	want.DSN, want.Pool, want.Hosts, want.Debug = "from: env", pool{30, 5 * time.Second}, []string{"x", "y"}, &no
	want.Labels, want.Started = map[string]string{"a": "b"}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := configure(t, plugin.Setup{Config: []byte("pool: {max: 20}"), EnvPrefix: "DB_"})
	must(t, err)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(dbConfig{})); diff != "" {
		t.Error(diff)
	}
	t.Setenv("DB_POOL_MAX", "secret-many")
	_, err = configure(t, plugin.Setup{EnvPrefix: "DB_"})
	fails(t, err, mcperrors.Validation, "pool.max: want an integer that fits int, got text")
	if strings.Contains(err.Error(), "secret") {
		t.Error("it tells the value:", err)
	}
}

func TestConfig_TellsAllMistakesAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		s    plugin.Setup
		says []string
	}{
		"types and keys": {plugin.Setup{Config: []byte("dns: x\ndsn: [1]\npool: {max: 1.5, idle: 10, min: 3}\nhosts: a\nlabels: [b]\ntoken: \"\"\nratio: much\ndebug: 3\nbackup: 4")}, []string{
			"dns: unknown key; known are backup, debug, dsn, hosts, labels, pool, ratio, region, started, token", "dsn: want text, got a list", "pool.max: want an integer",
			"pool.idle: want a duration such as 1m30s", "pool.min: unknown key; known are idle, max", "hosts: want a list, got text",
			"labels: want keys and values, got a list", "ratio: want a number, got text", "debug: want true or false, got a number", "backup: want keys and values",
			"token: breaks the rule required",
		}},
		"rules":        {plugin.Setup{Config: []byte("pool: {max: 1000}\nhosts: [ok, 'not one']")}, []string{"dsn: breaks the rule required", "pool.max: breaks the rule lte=100", "hosts[1]: breaks the rule hostname"}},
		"no mapping":   {plugin.Setup{Config: []byte("- a")}, []string{"the configuration: want keys and values, got a list"}},
		"no YAML":      {plugin.Setup{Config: []byte("a: [")}, []string{"config: "}},
		"a key twice":  {plugin.Setup{Config: []byte("dsn: a\ndsn: b")}, []string{"dsn"}},
		"no such file": {plugin.Setup{ConfigFile: "/nonexistent/x.yaml"}, []string{"x.yaml"}},
		"both":         {plugin.Setup{ConfigFile: "x", Config: []byte("a: b")}, []string{"both Config and ConfigFile"}},
		"too long":     {plugin.Setup{Config: make([]byte, 5<<20)}, []string{"longer than"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configure(t, c.s)
			fails(t, err, mcperrors.Validation, c.says...)
			if strings.Contains(err.Error(), "dsn: want") && strings.Contains(err.Error(), "dsn: breaks") {
				t.Error("one mistake is told twice:", err)
			}
		})
	}
}
